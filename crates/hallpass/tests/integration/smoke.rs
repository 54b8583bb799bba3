//! The fuzz target without a fuzzer: whole configurations, and what small damage makes of them.

use crate::damage::Damage;
use crate::entry;
use crate::seed::SEED;

#[test]
fn damaged_configurations_never_break_the_loader() {
    let flags = "hallpass.service.name: a #\nHALLPASS_SERVICE_LISTEN=x\ninternal-token.clients[0].scope=y\n";
    let damage = Damage::new(&[
        b"${PLANTED}",
        b"${",
        b"}",
        b": ",
        b"\n",
        b"  ",
        b"[",
        b"&a ",
        b"*a",
        b"'",
        b"\xff",
    ]);
    let everything = include_str!("../../../hallpass-cli/tests/data/everything.yaml");
    let seeds = [SEED, everything, flags].map(|seed| seed.as_bytes().to_vec());
    let seeds_in = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/config");
    damage.run(entry::config, &seeds, seeds_in);
}
