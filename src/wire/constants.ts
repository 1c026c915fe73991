/** Numbers of the DNS protocol, named once. RFC 1035 4.1.1, RFC 6891, IANA "DNS Parameters". */

/** Header bits, as they stand in the 16-bit word at offset 2. */
export const QR = 0x8000;
export const OPCODE_MASK = 0x7800;
export const AA = 0x0400;
export const TC = 0x0200;
export const RD = 0x0100;
export const RA = 0x0080;
export const CD = 0x0010;

export const HEADER = 12;
/** Longest name on the wire, length octets and the root included (RFC 1035 3.1). */
export const MAX_NAME = 255;

export const NOERROR = 0;
export const FORMERR = 1;
export const SERVFAIL = 2;
export const NXDOMAIN = 3;
export const NOTIMP = 4;
export const REFUSED = 5;
/** Extended rcode: the upper eight bits travel in the OPT record. */
export const BADVERS = 16;

export const TYPE_A = 1;
export const TYPE_SOA = 6;
export const TYPE_PTR = 12;
export const TYPE_HINFO = 13;
export const TYPE_TXT = 16;
export const TYPE_AAAA = 28;
export const TYPE_SRV = 33;
export const TYPE_OPT = 41;
export const TYPE_IXFR = 251;
export const TYPE_AXFR = 252;
export const TYPE_ANY = 255;

export const CLASS_IN = 1;
export const CLASS_CHAOS = 3;
export const CLASS_ANY = 255;

/** Extended DNS errors we use (RFC 8914). */
export const EDE_OTHER = 0;
export const EDE_STALE = 3;
export const EDE_BLOCKED = 15;
export const EDE_NOT_AUTHORITATIVE = 20;
export const EDE_NO_REACHABLE_AUTHORITY = 22;
export const EDE_NETWORK_ERROR = 23;
