//! Frames of HTTP/2 and of yamux, written by hand: no library makes what an attacker sends.

/// The beginning of every HTTP/2 connection, with empty settings.
pub(super) fn http2_preface() -> Vec<u8> {
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    out.extend(http2(4, 0, 0, &[]));
    out
}

/// One HTTP/2 frame.
pub(super) fn http2(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    let mut out = vec![length[1], length[2], length[3], kind, flags];
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// The header block of a gRPC call, in literals: no table is needed.
pub(super) fn call_headers(path: &str) -> Vec<u8> {
    let mut out = vec![0x83, 0x87];
    let mut literal = |name: &[u8], value: &[u8]| {
        out.push(0);
        out.push(u8::try_from(name.len()).unwrap_or(0));
        out.extend(name);
        out.push(u8::try_from(value.len()).unwrap_or(0));
        out.extend(value);
    };
    literal(b":path", path.as_bytes());
    literal(b":authority", b"localhost");
    literal(b"content-type", b"application/grpc");
    literal(b"te", b"trailers");
    out
}

/// A header with a long value, in literals.
pub(super) fn long_header(length: u8) -> Vec<u8> {
    let mut out = vec![0, 1, b'x', length & 0x7f];
    out.extend(std::iter::repeat_n(b'y', usize::from(length & 0x7f)));
    out
}

/// One yamux frame with the length that it claims.
pub(super) fn yamux(kind: u8, flags: u16, stream: u32, claimed: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0, kind];
    out.extend(flags.to_be_bytes());
    out.extend(stream.to_be_bytes());
    out.extend(claimed.to_be_bytes());
    out.extend(payload);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_their_forms() {
        assert_eq!(http2(4, 0, 0, &[]), [0, 0, 0, 4, 0, 0, 0, 0, 0]);
        assert_eq!(http2(1, 4, 3, &[9; 300])[..9], [0, 1, 44, 1, 4, 0, 0, 0, 3]);
        assert_eq!(yamux(0, 1, 1, 5, b"hello")[..12], [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 5]);
        assert_eq!(long_header(100).len(), 104);
    }
}
