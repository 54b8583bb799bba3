//! `hallpass sidecar` beside programs in other languages, with the files of `examples/sidecar`: the executable, the programs, an issuer, and a service of our
//! own at the end. A test is skipped, with a line that says so, where its program cannot be had.

#[cfg(test)]
#[path = "../e2e/built.rs"]
mod built;
#[cfg(test)]
mod estate;
#[cfg(test)]
mod grpc;
#[cfg(test)]
mod inbound;
#[cfg(test)]
#[path = "../spring/java.rs"]
#[expect(dead_code, reason = "the tests beside Spring use all of it")]
mod java;
#[cfg(test)]
mod outside;
#[cfg(test)]
#[path = "../proxies/process.rs"]
#[expect(dead_code, reason = "the tests of proxies use all of it")]
mod process;
#[cfg(test)]
mod programs;
#[cfg(test)]
#[path = "../gateway/raw.rs"]
#[expect(dead_code, reason = "the tests of the gateway use all of it")]
mod raw;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod seen;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod users;
#[cfg(test)]
mod warm;
