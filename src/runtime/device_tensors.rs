//! Tensors that have their places on a GPU: each run copies to and from these, which a CUDA graph asks for, and binds nothing anew.

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, Session};
use ort::value::Tensor;

use super::open_graph::Input;

/// The first GPU: a board has one.
const DEVICE: i32 = 0;

/// The places of a graph's inputs and outputs, in its order.
pub struct DeviceTensors {
    inputs: Vec<Input>,
    outputs: Vec<Tensor<f32>>,
}

impl DeviceTensors {
    /// Makes room on the device of `session` and binds it.
    pub fn bind(
        session: &Session,
        binding: &mut IoBinding,
        inputs: &[(String, Input)],
        outputs: &[(String, Vec<i64>)],
    ) -> ort::Result<DeviceTensors> {
        let memory = MemoryInfo::new(AllocationDevice::CUDA, DEVICE, AllocatorType::Device, MemoryType::Default)?;
        let allocator = Allocator::new(session, memory)?;
        let mut places = DeviceTensors { inputs: Vec::new(), outputs: Vec::new() };
        for (name, input) in inputs {
            places.inputs.push(match input {
                Input::Floats(tensor) => {
                    let place = Tensor::<f32>::new(&allocator, tensor.shape().to_vec())?;
                    binding.bind_input(name.as_str(), &place)?;
                    Input::Floats(place)
                }
                Input::Ints(tensor) => {
                    let place = Tensor::<i64>::new(&allocator, tensor.shape().to_vec())?;
                    binding.bind_input(name.as_str(), &place)?;
                    Input::Ints(place)
                }
            });
        }
        for (name, shape) in outputs {
            let mut place = Tensor::<f32>::new(&allocator, shape.clone())?;
            binding.bind_output(name.as_str(), &mut place)?;
            places.outputs.push(place);
        }
        Ok(places)
    }

    /// Copies our inputs to the device.
    pub fn send(&mut self, inputs: &[(String, Input)]) -> ort::Result<()> {
        for ((_, input), place) in inputs.iter().zip(&mut self.inputs) {
            match (input, place) {
                (Input::Floats(tensor), Input::Floats(place)) => tensor.copy_into(place)?,
                (Input::Ints(tensor), Input::Ints(place)) => tensor.copy_into(place)?,
                _ => unreachable!("each place was made for its input"),
            }
        }
        Ok(())
    }

    /// Copies the outputs from the device.
    pub fn fetch(&self, outputs: &mut [Tensor<f32>]) -> ort::Result<()> {
        self.outputs.iter().zip(outputs).try_for_each(|(place, output)| place.copy_into(output))
    }
}
