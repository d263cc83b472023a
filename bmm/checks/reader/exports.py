"""Which modules code may import, and which names of each: no modules inside modules, nothing that opens, starts, inspects or loads."""

_NAMES = {
    "__future__": "annotations",
    "abc": "ABC abstractmethod",
    "array": "array",
    "ast": "literal_eval",
    "asyncio": """
        ALL_COMPLETED BoundedSemaphore CancelledError Event FIRST_COMPLETED FIRST_EXCEPTION Future LifoQueue Lock PriorityQueue Queue
        QueueEmpty QueueFull Semaphore Task TaskGroup TimeoutError as_completed create_task gather shield sleep timeout timeout_at
        to_thread wait wait_for
    """,
    "base64": """
        a85decode a85encode b16decode b16encode b32decode b32encode b32hexdecode b32hexencode b64decode b64encode b85decode b85encode
        decodebytes encodebytes standard_b64decode standard_b64encode urlsafe_b64decode urlsafe_b64encode
    """,
    "binascii": "Error Incomplete a2b_base64 a2b_hex b2a_base64 b2a_hex crc32 crc_hqx hexlify unhexlify",
    "bisect": "bisect bisect_left bisect_right insort insort_left insort_right",
    "bz2": "compress decompress",
    "calendar": """
        Calendar FRIDAY HTMLCalendar IllegalMonthError IllegalWeekdayError MONDAY SATURDAY SUNDAY THURSDAY TUESDAY TextCalendar
        WEDNESDAY calendar day_abbr day_name firstweekday isleap leapdays month month_abbr month_name monthcalendar monthrange timegm
        weekday weekheader
    """,
    "cmath": """
        acos acosh asin asinh atan atanh cos cosh e exp inf infj isclose isfinite isinf isnan log log10 nan nanj phase pi polar rect sin
        sinh sqrt tan tanh tau
    """,
    "collections": "ChainMap Counter OrderedDict UserDict UserList defaultdict deque",
    "collections.abc": """
        AsyncGenerator AsyncIterable AsyncIterator Awaitable ByteString Callable Collection Container Coroutine Generator Hashable
        ItemsView Iterable Iterator KeysView Mapping MappingView MutableMapping MutableSequence MutableSet Reversible Sequence Set Sized
        ValuesView
    """,
    "colorsys": "hls_to_rgb hsv_to_rgb rgb_to_hls rgb_to_hsv rgb_to_yiq yiq_to_rgb",
    "contextlib": "AsyncExitStack ExitStack aclosing asynccontextmanager closing contextmanager nullcontext suppress",
    "copy": "copy deepcopy",
    "csv": """
        Dialect DictReader DictWriter Error QUOTE_ALL QUOTE_MINIMAL QUOTE_NONE QUOTE_NONNUMERIC Sniffer excel excel_tab reader
        unix_dialect writer
    """,
    "dataclasses": "FrozenInstanceError InitVar KW_ONLY asdict astuple dataclass field fields is_dataclass replace",
    "datetime": "MAXYEAR MINYEAR UTC date datetime time timedelta timezone tzinfo",
    "decimal": """
        Clamped Context ConversionSyntax Decimal DecimalException DecimalTuple DivisionByZero DivisionImpossible DivisionUndefined
        FloatOperation Inexact InvalidContext InvalidOperation MAX_EMAX MAX_PREC MIN_EMIN MIN_ETINY Overflow ROUND_05UP ROUND_CEILING
        ROUND_DOWN ROUND_FLOOR ROUND_HALF_DOWN ROUND_HALF_EVEN ROUND_HALF_UP ROUND_UP Rounded Subnormal Underflow getcontext
        localcontext
    """,
    "difflib": """
        Differ HtmlDiff IS_CHARACTER_JUNK IS_LINE_JUNK Match SequenceMatcher context_diff diff_bytes get_close_matches ndiff restore
        unified_diff
    """,
    "email": "message_from_bytes message_from_string",
    "email.header": "Header decode_header make_header",
    "email.message": "EmailMessage",
    "email.mime.application": "MIMEApplication",
    "email.mime.base": "MIMEBase",
    "email.mime.multipart": "MIMEMultipart",
    "email.mime.text": "MIMEText",
    "email.utils": "format_datetime formataddr formatdate getaddresses mktime_tz parseaddr parsedate parsedate_to_datetime parsedate_tz",
    "enum": "Enum Flag IntEnum IntFlag StrEnum UNIQUE auto unique verify",
    "fnmatch": "filter fnmatch fnmatchcase translate",
    "fractions": "Fraction",
    "functools": "cache cached_property cmp_to_key lru_cache partial reduce total_ordering wraps",
    "graphlib": "CycleError TopologicalSorter",
    "gzip": "BadGzipFile compress decompress",
    "hashlib": """
        algorithms_available algorithms_guaranteed blake2b blake2s md5 new pbkdf2_hmac sha1 sha224 sha256 sha384 sha3_224 sha3_256
        sha3_384 sha3_512 sha512 shake_128 shake_256
    """,
    "heapq": "heapify heappop heappush heappushpop heapreplace merge nlargest nsmallest",
    "hmac": "compare_digest digest new",
    "html": "escape unescape",
    "html.entities": "codepoint2name html5 name2codepoint",
    "html.parser": "HTMLParser",
    "io": "BytesIO StringIO TextIOWrapper",
    "ipaddress": """
        AddressValueError IPV4LENGTH IPV6LENGTH IPv4Address IPv4Interface IPv4Network IPv6Address IPv6Interface IPv6Network
        NetmaskValueError collapse_addresses get_mixed_type_key ip_address ip_interface ip_network summarize_address_range
        v4_int_to_packed v6_int_to_packed
    """,
    "itertools": """
        accumulate chain combinations combinations_with_replacement compress count cycle dropwhile filterfalse groupby islice pairwise
        permutations product repeat starmap takewhile tee zip_longest
    """,
    "json": "JSONDecodeError JSONDecoder JSONEncoder dumps loads",
    "lzma": "LZMAError compress decompress",
    "math": """
        acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees dist e erf erfc exp exp2 expm1 fabs factorial
        floor fmod frexp fsum gamma gcd hypot inf isclose isfinite isinf isnan isqrt lcm ldexp lgamma log log10 log1p log2 modf nan
        nextafter perm pi pow prod radians remainder sin sinh sqrt tan tanh tau trunc ulp
    """,
    "mimetypes": "guess_extension guess_type",
    "numbers": "Complex Integral Number Rational Real",
    "operator": """
        add and_ concat contains countOf eq floordiv ge getitem gt inv invert itemgetter le lt mod mul ne neg not_ or_ pos pow sub
        truediv truth xor
    """,
    "pathlib": "PurePath PurePosixPath PureWindowsPath",
    "plistlib": "InvalidFileException dumps loads",
    "posixpath": "basename commonprefix dirname isabs join normpath split splitext",
    "pprint": "pformat",
    "quopri": "decodestring encodestring",
    "random": """
        Random choice choices expovariate gauss getrandbits normalvariate randbytes randint random randrange sample shuffle triangular
        uniform
    """,
    "re": """
        A ASCII DOTALL I IGNORECASE M MULTILINE Match NOFLAG Pattern RegexFlag S U UNICODE VERBOSE X compile error escape findall
        finditer fullmatch match search split sub subn
    """,
    "secrets": "SystemRandom choice compare_digest randbelow randbits token_bytes token_hex token_urlsafe",
    "shlex": "join quote split",
    "statistics": """
        NormalDist StatisticsError correlation covariance fmean geometric_mean harmonic_mean linear_regression mean median
        median_grouped median_high median_low mode multimode pstdev pvariance quantiles stdev variance
    """,
    "string": "Template ascii_letters ascii_lowercase ascii_uppercase capwords digits hexdigits octdigits printable punctuation whitespace",
    "struct": "Struct calcsize error iter_unpack pack unpack unpack_from",
    "sys": "float_info maxsize maxunicode stderr stdout version_info",
    "textwrap": "TextWrapper dedent fill indent shorten wrap",
    "time": "gmtime localtime mktime monotonic monotonic_ns perf_counter perf_counter_ns strftime strptime struct_time time time_ns",
    "tomllib": "TOMLDecodeError loads",
    "traceback": "format_exc",
    "types": "MappingProxyType NoneType",
    "typing": """
        AbstractSet Annotated Any AnyStr AsyncContextManager AsyncGenerator AsyncIterable AsyncIterator Awaitable ByteString Callable
        ChainMap ClassVar Collection Concatenate Container ContextManager Coroutine Counter DefaultDict Deque Dict Final FrozenSet
        Generator Generic Hashable ItemsView Iterable Iterator KeysView List Literal LiteralString Mapping MappingView Match
        MutableMapping MutableSequence MutableSet NamedTuple Never NewType NoReturn NotRequired Optional OrderedDict ParamSpec
        ParamSpecArgs ParamSpecKwargs Pattern Protocol Required Reversible Self Sequence Set Sized SupportsAbs SupportsBytes
        SupportsComplex SupportsFloat SupportsIndex SupportsInt SupportsRound TYPE_CHECKING Text Tuple Type TypeAlias TypeGuard TypeVar
        TypeVarTuple TypedDict Union Unpack ValuesView assert_never assert_type cast final get_args get_origin is_typeddict overload
        runtime_checkable
    """,
    "unicodedata": """
        bidirectional category combining decimal decomposition digit east_asian_width is_normalized lookup mirrored name normalize
        numeric unidata_version
    """,
    "urllib.parse": """
        DefragResult DefragResultBytes ParseResult ParseResultBytes SplitResult SplitResultBytes parse_qs parse_qsl quote
        quote_from_bytes quote_plus unquote unquote_plus unquote_to_bytes urldefrag urlencode urljoin urlparse urlsplit urlunparse
        urlunsplit
    """,
    "uuid": "NAMESPACE_DNS NAMESPACE_OID NAMESPACE_URL NAMESPACE_X500 RFC_4122 UUID uuid3 uuid4 uuid5",
    "xml.etree.ElementTree": "Element ParseError QName SubElement XML fromstring indent iselement tostring tostringlist",
    "xml.sax.saxutils": "escape quoteattr unescape",
    "zlib": """
        DEFLATED DEF_BUF_SIZE DEF_MEM_LEVEL MAX_WBITS ZLIB_RUNTIME_VERSION ZLIB_VERSION Z_BEST_COMPRESSION Z_BEST_SPEED Z_BLOCK
        Z_DEFAULT_COMPRESSION Z_DEFAULT_STRATEGY Z_FILTERED Z_FINISH Z_FIXED Z_FULL_FLUSH Z_HUFFMAN_ONLY Z_NO_COMPRESSION Z_NO_FLUSH
        Z_PARTIAL_FLUSH Z_RLE Z_SYNC_FLUSH Z_TREES adler32 compress compressobj crc32 decompress decompressobj error
    """,
    "zoneinfo": "ZoneInfo ZoneInfoNotFoundError available_timezones",
    "runner.worker": "Content Ctx HttpError Response ToolError Unanswered",
}
EXPORTS = {module: frozenset(names.split()) for module, names in _NAMES.items()}
PACKAGES = frozenset(".".join(module.split(".")[:depth]) for module in EXPORTS for depth in range(1, module.count(".") + 1))
"""What leads to a module of the list: `xml`, `xml.etree`."""
ONLY_BASES = {
    "typing": frozenset({"NamedTuple", "TypedDict", "Protocol", "Generic"}),
    "enum": frozenset({"Enum", "Flag", "IntEnum", "IntFlag", "StrEnum"}),
}
"""Classes that are there to be inherited from; called, they would make classes out of text."""
INSTEAD = {
    "os": "files and the environment cannot be reached: use `await ctx.secret(\"KEY\")` for values and `posixpath` for names of files",
    "os.path": "use `posixpath`",
    "pathlib": "use `PurePosixPath`: there are no files",
    "subprocess": "no program can be started: ask a service through `ctx.http`",
    "httpx": "use `ctx.http`", "requests": "use `ctx.http`", "aiohttp": "use `ctx.http`", "urllib.request": "use `ctx.http`",
    "urllib3": "use `ctx.http`", "http": "use `ctx.http`", "http.client": "use `ctx.http`", "socket": "use `ctx.http`", "ssl": "use `ctx.http`",
    "sqlite3": "use `ctx.sql`", "asyncpg": "use `ctx.sql`", "psycopg": "use `ctx.sql`", "psycopg2": "use `ctx.sql`", "pymysql": "use `ctx.sql`",
    "sqlalchemy": "use `ctx.sql`", "logging": "use `ctx.log(\"info\", …)` or `print`", "dotenv": "use `await ctx.secret(\"KEY\")`",
    "threading": "use `asyncio.gather` or `asyncio.to_thread`", "pydantic": "use a dataclass", "yaml": "use `json`", "pickle": "use `json`",
}  # fmt: skip
