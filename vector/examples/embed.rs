//! Embeds the lines of a file: `embed SOURCE LINES OUT [THREADS [ROUNDS]]`.
//!
//! Writes `[lines × dim]` as little-endian `f32` to OUT, and to stderr one line of JSON with the
//! model's identity and the seconds, of the clock and of all cores together, of the best round.

use std::error::Error;
use std::ops::ControlFlow;
use std::time::Instant;

use datalith_vector::embed::{Model, Source};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, lines, out, options @ ..] = &arguments[..] else {
        return Err("usage: embed SOURCE LINES OUT [THREADS [ROUNDS]]".into());
    };
    let number = |at: usize| options.get(at).map_or(Ok(1), |text| text.parse::<usize>());
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(number(0)?)
        .build()?;

    let begun = Instant::now();
    let model = Model::load(&source.parse::<Source>()?)?;
    let load_s = begun.elapsed().as_secs_f64();
    let lines = std::fs::read_to_string(lines)?;
    let texts: Vec<&str> = lines.lines().collect();
    let (mut rows, mut embed_s) = (Vec::new(), f64::INFINITY);
    let mut used_s = f64::INFINITY;
    for _ in 0..number(1)?.max(1) {
        let (begun, begun_cpu_s) = (Instant::now(), cpu_s());
        rows = pool.install(|| model.embed(&texts, &|_| ControlFlow::Continue(())))?;
        embed_s = embed_s.min(begun.elapsed().as_secs_f64());
        used_s = used_s.min(cpu_s() - begun_cpu_s);
    }
    let bytes: Vec<u8> = rows.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(out, bytes)?;
    eprintln!(
        "{}",
        serde_json::json!({
            "identity": model.identity(),
            "dim": model.dim(),
            "texts": texts.len(),
            "load_s": load_s,
            "embed_s": embed_s,
            "cpu_s": used_s,
        })
    );
    Ok(())
}

/// Seconds that all threads of this process have computed; known on Linux only, elsewhere none.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    // User and system time in hundredths, the 12th and 13th field after the name.
    let times = after_name.split_whitespace().skip(11).take(2);
    times
        .filter_map(|time| time.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}
