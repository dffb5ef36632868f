//! A graph that fails when it is told to: an engine's failure, for those who want to see what becomes of it.

use std::fs;
use std::path::Path;

use reverie::pack::hex_sha256;

/// The parameter `step` from which it fails.
pub const BLOWS_AT: f64 = 16.0;

/// Fits one to `file` of the `pack`: a look-up of `step` in a table of [`BLOWS_AT`] numbers, which ONNX Runtime refuses beyond its end.
pub fn fit(pack: &Path, file: &str) {
    let path = pack.join(file);
    let whole = fs::read(&path).expect("the graph");
    let old = hex_sha256(&whole);
    // A second `graph` in the file is one with the first: what repeats is joined (protobuf's own rule for messages).
    let new = [whole, field(7, &fuse())].concat();
    fs::write(&path, &new).expect("writing the graph");
    let manifest = pack.join("pack.toml");
    let text = fs::read_to_string(&manifest).expect("the manifest");
    assert!(text.contains(&old), "{file} is not in {}", manifest.display());
    fs::write(&manifest, text.replace(&old, &hex_sha256(&new))).expect("writing the manifest");
}

/// Part of a GraphProto: nodes, tensors and an output (fields 1, 5 and 12 of onnx.proto).
fn fuse() -> Vec<u8> {
    // `to` is an integer (2): int64 (7).
    let to = [field(1, b"to"), number(3, 7), number(20, 2)].concat();
    [
        field(1, &node("Mul", &["step", "fuse_scale"], "fuse_step", None)),
        field(1, &node("Cast", &["fuse_step"], "fuse_place", Some(&to))),
        field(1, &node("Gather", &["fuse_table", "fuse_place"], "fuse", None)),
        field(5, &tensor("fuse_scale", &[], &[255.0])),
        field(5, &tensor("fuse_table", &[BLOWS_AT as u64], &[0.0; BLOWS_AT as usize])),
        field(12, &[field(1, b"fuse"), field(2, &field(1, &[number(1, 1), field(2, b"")].concat()))].concat()),
    ]
    .concat()
}

fn node(operator: &str, inputs: &[&str], output: &str, attribute: Option<&[u8]>) -> Vec<u8> {
    let mut bytes: Vec<u8> = inputs.iter().flat_map(|name| field(1, name.as_bytes())).collect();
    bytes.extend([field(2, output.as_bytes()), field(3, output.as_bytes()), field(4, operator.as_bytes())].concat());
    bytes.extend(attribute.map(|attribute| field(5, attribute)).unwrap_or_default());
    bytes
}

fn tensor(name: &str, sides: &[u64], values: &[f32]) -> Vec<u8> {
    let sides: Vec<u8> = sides.iter().flat_map(|&side| number(1, side)).collect();
    let values: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    [sides, number(2, 1), field(8, name.as_bytes()), field(9, &values)].concat()
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn field(field: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
