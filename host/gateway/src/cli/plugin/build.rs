//! `tidegate plugin build`: the language's own tool, what it needs, and packing.

mod guest;
mod rust;

use super::{BuildArgs, pack};
use crate::cli::EXIT_USAGE;
use crate::cli::terminal::Failure;

/// Where a project keeps its self-test vectors.
const VECTORS: &str = "vectors.json";

pub(super) async fn run(args: &BuildArgs) -> Result<(), Failure> {
    let (built, name) = if args.path.join("Cargo.toml").is_file() {
        rust::component(args)?
    } else if let Some(project) = guest::Project::read(&args.path)? {
        project.component()?
    } else {
        let why = format!(
            "{}: no project of a plugin is here; make one with `tidegate plugin new`, or name one with --path",
            args.path.display()
        );
        return Err(Failure::new(EXIT_USAGE, why));
    };
    let output = match &args.output {
        Some(output) => output.clone(),
        None => args.path.join(format!("{name}.wasm")),
    };
    let vectors = args.path.join(VECTORS);
    let vectors = vectors.is_file().then_some(vectors);
    pack::pack(&built, &output, vectors.as_deref()).await
}
