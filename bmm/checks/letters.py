"""Letters that look like Latin ones, and which: of other alphabets, and small capitals."""

_FROM = "аеорсухіјѕԁһοαινρτυκɪɢɴᴏʀᴇᴀʟᴘᴠᴜᴛᴄᴅʜᴊᴋᴍʙғᴡʏᴢ"
_TO = "aeopcyxijsdhoaivptukignorealpvutcdhjkmbfwyz"
LATIN = dict(zip(map(ord, _FROM), _TO, strict=True))
