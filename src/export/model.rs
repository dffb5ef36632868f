//! ONNX models as bytes.

use prost::Message;

use super::onnx::Model;

impl Model {
    /// Reads a model whole. The error says why it is none that the exporter could have written: one of another program may hold
    /// what the exporter's messages leave out (subgraphs, say), which would be lost.
    pub fn read(bytes: &[u8]) -> Result<Model, String> {
        let model = Model::decode(bytes).map_err(|e| format!("it is no ONNX model: {e}"))?;
        let is_whole = model.encoded_len() == bytes.len();
        is_whole.then_some(model).ok_or_else(|| "it holds more than a graph that `reverie export` writes".to_owned())
    }

    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
}
