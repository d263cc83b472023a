"""The attributes that values of the listed modules, of built-in types and of `ctx` have; code may use these and those it defines."""

_ATTRIBUTES_TEXT = """
    CDATA_CONTENT_ELEMENTS Emax Emin Etiny Etop ToolError VERSION a abs aclose acquire add add_alternative add_attachment
    add_done_callback add_header add_note add_related address_exclude adjusted allow_nan anchor append appendleft args as_bytes
    as_integer_ratio as_posix as_string as_tuple as_uri asend ask astimezone athrow attach attrib audio b betavariate bit_count
    bit_length block_size blocksize braceidpattern break_long_words break_on_hyphens broadcast_address buffer_info bytes bytes_le
    byteswap c_contiguous cache_clear cache_info callback can cancel cancelled cancelling canonical capitalize capitals casefold cast
    cdata_elem cdf center changed check_circular check_for_whole_start_tag choice choices clamp clear clear_cache clear_cdata_mode
    clear_content clear_flags clear_traps clock_seq clock_seq_hi_variant clock_seq_low close closed code colno combine compare
    compare_networks compare_signal compare_total compare_total_mag compress compressed conjugate content contiguous convert_charrefs
    copy copy_abs copy_decimal copy_negate copy_sign count create_decimal create_decimal_from_float create_task ctime date day days
    decode decompress default default_factory del_param delete deleter delimiter denominator derive dialect difference difference_update
    dig digest digest_size discard divide divide_int divmod doc done doublequote drive drop_whitespace dst elements elicit empty encode
    encoding end end_lineno end_offset endpos endswith ensure_ascii enter_async_context enter_context eof epsilon errors escapechar
    exception exceptions exp expand expand_tabs expandtabs expired exploded expovariate extend extendleft extrasaction feed fieldnames
    fields filename fill find find_longest_match findall finditer findtext firstweekday fix_sentence_endings flags flush fma fold
    formatday formatmonth formatmonthname formatweek formatweekday formatweekheader formatyear fragment from_bytes from_decimal
    from_float from_iterable from_samples frombytes fromhex fromisocalendar fromisoformat fromkeys fromlist fromordinal fromtimestamp
    fromunicode fromutc full fullmatch gammavariate gauss get get_all get_body get_boundary get_charsets get_content get_content_charset
    get_content_disposition get_content_maintype get_content_subtype get_content_type get_default_type get_filename get_grouped_opcodes
    get_identifiers get_matching_blocks get_name get_nowait get_opcodes get_param get_params get_payload get_ready get_starttag_text
    get_unixfrom getfirstweekday getpos getrandbits getstate getter geturl getvalue goahead group groupdict groupindex groups
    handle_charref handle_comment handle_data handle_decl handle_endtag handle_entityref handle_pi handle_startendtag handle_starttag
    has_header headers hex hexdigest hits hostmask hostname hosts hour http idpattern imag image indent index indices initial_indent
    insert int intercept interesting intersection intersection_update inv_cdf ip ipv4_mapped is_absolute is_active is_attachment
    is_canonical is_finite is_global is_infinite is_integer is_link_local is_loopback is_multicast is_multipart is_nan is_normal
    is_private is_qnan is_relative_to is_reserved is_safe is_set is_signed is_site_local is_snan is_subnormal is_unspecified is_valid
    is_zero isalnum isalpha isascii isatty isdecimal isdigit isdisjoint isidentifier islower isnumeric isocalendar isoformat isoweekday
    isprintable isspace issubset issuperset istitle isupper item_separator items itemsize iter iter_attachments iter_parts iter_unpack
    iterencode iterfind itermonthdates itermonthdays itermonthdays2 itermonthdays3 itermonthdays4 itertext iterweekdays join joinpath
    json key_separator keys keywords kwargs lastgroup lastindex lasttag limit_denominator line_buffering line_num lineno lineterminator link
    ljust ln locked log log10 logb logical_and logical_invert logical_or logical_xor lognormvariate lower lstrip major make_alternative
    make_mixed make_related makeelement maketrans mant_dig match max max_10_exp max_exp max_lines max_mag max_prefixlen maxlen maxsize
    mean median message micro microsecond microseconds min min_10_exp min_exp min_mag minor minus minute misses mode month
    monthdatescalendar monthdays2calendar monthdayscalendar most_common move_to_end msg multiply n_fields n_sequence_fields
    n_unnamed_fields name nbytes ndim netloc netmask network network_address new_child newlines next_minus next_plus next_toward node
    normalize normalvariate now num_addresses number_class numerator offset ok overlap overlaps pack pack_into packed params parent
    parents paretovariate parse_bogus_comment parse_comment parse_declaration parse_endtag parse_html_declaration parse_marked_section
    parse_pi parse_starttag partition parts password patch path pattern pdf placeholder plus pop pop_all popitem popleft port pos post
    power prec preferred prefixlen prepare progress push push_async_callback push_async_exit put put_nowait qsize quantiles quantize
    query quick_ratio quotechar quoting radix raise_for_status randbytes randint random randrange ratio raw_decode raw_items rawdata re
    read read1 readable reader readinto readinto1 readline readlines readonly real real_quick_ratio reason regs relative_to release
    releaselevel remainder remainder_near remove removeprefix removesuffix replace replace_header replace_whitespace request reschedule
    reset resolution resource restkey restval result reverse reverse_pointer rfind rindex rjust root rotate rounding rounds rpartition
    rsplit rstrip safe_substitute same_quantum sample samples scaleb scheme scope_id search second seconds secret seed seek seekable
    send sentence_end_re serial set set_boundary set_cdata_mode set_charset set_content set_default_type set_name set_param set_payload
    set_raw set_result set_seq1 set_seq2 set_seqs set_type set_unixfrom setdefault setstate setter shape shift shuffle sixtofour size
    skipinitialspace skipkeys slope sniff sort sort_keys span split splitlines sql sqrt start startswith static_order status stdev stem
    step stop strftime strides string strip strptime sub subgroup subn subnet_of subnets suboffsets subsequent_indent substitute
    subtract suffix suffixes supernet supernet_of swapcase symmetric_difference symmetric_difference_update tabsize tag tail task_done
    tell teredo text throw time time_hi_version time_low time_mid timestamp timetuple timetz title tm_gmtoff tm_hour tm_isdst tm_mday
    tm_min tm_mon tm_sec tm_wday tm_yday tm_year tm_zone to_bytes to_eng_string to_integral to_integral_exact to_integral_value
    to_sci_string tobytes today tolist toordinal toreadonly total total_seconds tounicode translate triangular truncate typecode tzinfo
    tzname unconsumed_tail unicode_whitespace_trans uniform union unknown_decl unpack unpack_from unused_data update updated updatepos
    upper url urn username utc utcfromtimestamp utcnow utcoffset utctimetuple value values variance variant version vonmisesvariate wait
    walk week weekday weibullvariate when width with_hostmask with_name with_netmask with_prefixlen with_stem with_suffix wordsep_re
    wordsep_simple_re wrap writable write writeheader writelines writer writerow writerows year yeardatescalendar yeardays2calendar
    yeardayscalendar zfill zscore
    """
ATTRIBUTES = frozenset(_ATTRIBUTES_TEXT.split())
_NEVER_TEXT = """
    _asked _call _callbacks _coro _exception _field_defaults _get_loop _getters _loop _make _member_map_ _notes _parent_task
    _putters _send _source_traceback _tasks _transport _value_ _waiters _waiting _wishes add_reader add_signal_handler
    add_writer ag_await ag_code ag_frame ag_running call_at call_exception_handler call_later call_soon call_soon_threadsafe co_argcount
    co_cellvars co_code co_consts co_exceptiontable co_filename co_firstlineno co_flags co_freevars co_kwonlyargcount co_lines
    co_linetable co_lnotab co_name co_names co_nlocals co_positions co_posonlyargcount co_qualname co_stacksize co_varnames
    connect_accepted_socket connect_read_pipe connect_write_pipe cr_await cr_code cr_frame cr_origin cr_running cr_suspended
    create_connection create_datagram_endpoint create_future create_server create_unix_connection create_unix_server
    default_exception_handler f_back f_builtins f_code f_globals f_lasti f_lineno f_locals f_trace f_trace_lines f_trace_opcodes fdel
    fget format_map fset func_code func_globals get_context get_coro get_debug get_exception_handler get_loop get_proto
    get_stack get_task_factory getaddrinfo getnameinfo gi_code gi_frame gi_running gi_suspended gi_yieldfrom mro obj print_stack
    remove_reader remove_signal_handler remove_writer run_forever run_in_executor run_until_complete sendfile set_debug
    set_default_executor set_exception_handler set_task_factory shutdown_asyncgens shutdown_default_executor sock_accept sock_connect
    sock_recv sock_recv_into sock_recvfrom sock_recvfrom_into sock_sendall sock_sendfile sock_sendto start_tls subprocess_exec
    subprocess_shell tb_frame tb_lasti tb_lineno tb_next with_traceback
    """
NEVER = frozenset(_NEVER_TEXT.split())
"""Of frames, code, tracebacks, event loops and the worker itself: not even where code defines an attribute of that name."""
OF_TUPLES = frozenset({"_asdict", "_fields", "_replace"})
