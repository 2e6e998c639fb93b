//! Figures and proofs: criterion benches in `benches/`, and in `src/bin/proving` the proving ground that runs the real
//! binary under load, outages and kills. There is no library here.
