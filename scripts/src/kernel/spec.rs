//! Where Jupyter looks for kernels, and what it finds there.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The description that Jupyter reads.
const FILE: &str = "kernel.json";
/// What launchers show.
const LOGO_FILE: &str = "logo-svg.svg";
const LOGO: &str = include_str!("logo.svg");

/// The folder of a kernel below a prefix, as of a virtual environment or `/usr/local`; without one, among
/// the user's own.
pub fn folder(prefix: Option<&Path>, name: &str) -> io::Result<PathBuf> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(is_plain) || name.starts_with('.') {
        let refused =
            format!("{name:?} is no name of a kernel: letters, digits, - _ . may stand in it");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, refused));
    }
    let data = match prefix {
        Some(prefix) => Some(prefix.join("share/jupyter")),
        None => user_data(&|name| env::var_os(name)),
    };
    let data = data.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "the user has no home: say --prefix DIR",
        )
    })?;
    Ok(data.join("kernels").join(name))
}

/// Jupyter's folder of a user's data, by the variables of the environment.
fn user_data(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(data) = set("JUPYTER_DATA_DIR") {
        return Some(data.into());
    }
    let home = || set("HOME").map(PathBuf::from);
    if cfg!(target_os = "macos") {
        return Some(home()?.join("Library/Jupyter"));
    }
    if cfg!(windows) {
        return Some(PathBuf::from(set("APPDATA")?).join("jupyter"));
    }
    let data = set("XDG_DATA_HOME").map(PathBuf::from);
    Some(
        data.or_else(|| Some(home()?.join(".local/share")))?
            .join("jupyter"),
    )
}

/// Makes a kernel known: a program, and the arguments for it to run as one after `kernel run`.
pub fn install(folder: &Path, program: &Path, arguments: &[String]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let description = description(program, arguments);
    fs::write(folder.join(FILE), format!("{description:#}\n"))?;
    fs::write(folder.join(LOGO_FILE), LOGO)
}

fn description(program: &Path, arguments: &[String]) -> Value {
    let mut words = vec![program.to_string_lossy().into_owned()];
    words.extend(["kernel", "run"].map(str::to_owned));
    words.extend(arguments.iter().cloned());
    words.push("{connection_file}".to_owned());
    json!({
        "argv": words,
        "display_name": "Datalith",
        "language": "rhai",
        "interrupt_mode": "message",
        "metadata": {"debugger": false},
    })
}

/// Makes a kernel unknown. Refuses a folder that describes another program.
pub fn uninstall(folder: &Path) -> io::Result<()> {
    let text = fs::read_to_string(folder.join(FILE))?;
    let is_own = serde_json::from_str::<Value>(&text)
        .is_ok_and(|found| found["argv"][1] == "kernel" && found["argv"][2] == "run");
    if !is_own {
        let refused = format!("{} describes another kernel", folder.join(FILE).display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, refused));
    }
    for file in [FILE, LOGO_FILE] {
        match fs::remove_file(folder.join(file)) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
    }
    // Somebody may keep something beside it.
    let _ = fs::remove_dir(folder);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_folder_is_the_one_jupyter_looks_in() {
        let with = |set: &'static [(&str, &str)]| {
            let find = |name: &str| set.iter().find(|(key, _)| *key == name);
            user_data(&|name| find(name).map(|(_, value)| value.into()))
        };
        let given = with(&[("JUPYTER_DATA_DIR", "/j"), ("HOME", "/h")]);
        assert_eq!(given, Some("/j".into()));
        assert_eq!(with(&[]), None);
        if cfg!(target_os = "linux") {
            let standard = with(&[("HOME", "/h"), ("XDG_DATA_HOME", "")]);
            assert_eq!(standard, Some("/h/.local/share/jupyter".into()));
            let moved = with(&[("HOME", "/h"), ("XDG_DATA_HOME", "/x")]);
            assert_eq!(moved, Some("/x/jupyter".into()));
        }
    }

    #[test]
    fn what_was_installed_is_taken_away_again_and_nothing_else() {
        let prefix = tempfile::tempdir().unwrap();
        let folder = folder(Some(prefix.path()), "datalith").unwrap();
        install(&folder, Path::new("/bin/datalith"), &["--timeout=5".into()]).unwrap();
        let text = fs::read_to_string(folder.join(FILE)).unwrap();
        let written: Value = serde_json::from_str(&text).unwrap();
        let argv = json!([
            "/bin/datalith",
            "kernel",
            "run",
            "--timeout=5",
            "{connection_file}"
        ]);
        assert_eq!(written["argv"], argv);
        uninstall(&folder).unwrap();
        assert!(!folder.exists());
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(FILE), "{\"argv\": [\"python\"]}").unwrap();
        assert!(uninstall(&folder).is_err());
        assert!(super::folder(None, "../x").is_err());
    }
}
