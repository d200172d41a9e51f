//! The emulated AWS.
//!
//! * [`emulator`] - brings it up with `template.yaml` deployed to it
//! * [`tap`] - what the functions' calls to AWS pass through, held against their policies
//! * [`one_process`] - one process of a function, alone
//! * [`process`] - what a function's process holds of its machine
//! * [`policy`] - what each function's policy allows, held against its calls
//! * [`template`] - `template.yaml` as data
//! * [`sam_local`] - what `sam local invoke` needs to work with a stand

pub mod emulator;
pub mod one_process;
pub mod policy;
pub mod process;
pub mod sam_local;
pub mod tap;
pub mod template;
