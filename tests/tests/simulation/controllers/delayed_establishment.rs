//! The second subflow waits until a transfer has proven large.

use super::*;
