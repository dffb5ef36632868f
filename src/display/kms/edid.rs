//! A monitor's name, from its EDID. VESA E-EDID 1.4: a block of 128 bytes, four descriptors of 18 from byte 54.

const HEADER: [u8; 8] = [0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0];
const DESCRIPTORS_AT: usize = 54;
const DESCRIPTOR_SIZE: usize = 18;
/// The tag of a descriptor that holds the product's name.
const TAG_NAME: u8 = 0xFC;

/// `DELL U2415`, or the maker's three letters where the monitor gives no name; none where these bytes are no EDID.
pub fn monitor_name(edid: &[u8]) -> Option<String> {
    let block = edid.first_chunk::<128>().filter(|block| block.starts_with(&HEADER))?;
    let descriptors = block[DESCRIPTORS_AT..DESCRIPTORS_AT + 4 * DESCRIPTOR_SIZE].as_chunks::<DESCRIPTOR_SIZE>().0;
    let named = descriptors.iter().find(|d| d[..3] == [0, 0, 0] && d[3] == TAG_NAME);
    named.map(|descriptor| text(&descriptor[5..])).filter(|name| !name.is_empty()).or_else(|| maker(block[8], block[9]))
}

/// Up to a line feed; what cannot be printed is left out.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len());
    let printable: String =
        bytes[..end].iter().map(|b| char::from(*b)).filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
    printable.trim().to_owned()
}

/// Three letters of five bits each, A being 1.
fn maker(high: u8, low: u8) -> Option<String> {
    let bits = u16::from_be_bytes([high, low]);
    let letter = |shift: u16| {
        let number = ((bits >> shift) & 0x1F) as u8;
        (1..=26).contains(&number).then(|| char::from(b'A' + number - 1))
    };
    Some([letter(10)?, letter(5)?, letter(0)?].iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edid(name: Option<&[u8]>) -> Vec<u8> {
        let mut block = vec![0; 128];
        block[..8].copy_from_slice(&HEADER);
        // DEL: 4, 5, 12.
        block[8..10].copy_from_slice(&[0x10, 0xAC]);
        if let Some(name) = name {
            let at = DESCRIPTORS_AT + 2 * DESCRIPTOR_SIZE;
            block[at + 3] = TAG_NAME;
            block[at + 5..at + 5 + name.len()].copy_from_slice(name);
        }
        block
    }

    #[test]
    fn a_monitor_is_called_by_its_name_else_by_its_maker() {
        assert_eq!(monitor_name(&edid(Some(b"DELL U2415\n  "))).as_deref(), Some("DELL U2415"));
        assert_eq!(monitor_name(&edid(Some(b"\x01\xFFodd\x80 one!!"))).as_deref(), Some("odd one!!"));
        assert_eq!(monitor_name(&edid(None)).as_deref(), Some("DEL"));
        assert_eq!(monitor_name(&edid(None)[..127]), None);
        assert_eq!(monitor_name(&[7; 128]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes: Vec<u8>, at in 0usize..128, value: u8) {
            let _ = monitor_name(&bytes);
            let mut spoilt = edid(Some(b"name"));
            spoilt[at] = value;
            let _ = monitor_name(&spoilt);
        }
    }
}
