//! The draft's ids of subflows: a byte, where the stack counts on.
//!
//! The module owns which number stands for which subflow of one socket.

use umptcp_stack::SubflowId;

/// Numbers that were given, 1 to 255.
#[derive(Clone, Debug, Default)]
pub(in crate::bsd) struct SubflowNumbers {
    given: Vec<(u8, SubflowId)>,
    /// The one that was given last.
    last: u8,
}

impl SubflowNumbers {
    /// The number of a subflow, which keeps it as long as it is `live`, and longer unless another
    /// needs it. `None` if 255 others are open.
    pub(super) fn of(&mut self, subflow: SubflowId, live: &[SubflowId]) -> Option<u8> {
        if let Some((number, _)) = self.given.iter().find(|(_, known)| *known == subflow) {
            return Some(*number);
        }
        // As in Linux, as long as it fits; afterwards whatever was given longest ago.
        let first = if subflow.index() < 255 {
            subflow.index()
        } else {
            u32::from(self.last)
        };
        let number = (0..255)
            .filter_map(|step| u8::try_from((first + step) % 255 + 1).ok())
            .find(|&candidate| !self.is_held(candidate, live))?;
        self.last = number;
        self.given.retain(|(known, _)| *known != number);
        self.given.push((number, subflow));
        Some(number)
    }

    /// The subflow with this number.
    pub(super) fn subflow(&self, number: u8) -> Option<SubflowId> {
        let mut given = self.given.iter();
        given.find(|(known, _)| *known == number).map(|(_, id)| *id)
    }

    fn is_held(&self, number: u8, live: &[SubflowId]) -> bool {
        self.subflow(number).is_some_and(|id| live.contains(&id))
    }
}
