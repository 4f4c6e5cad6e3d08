//! Each package that can be published holds the licence texts, and its README.

use super::markdown::{ROOT, document};
use std::collections::BTreeSet;

const LICENCES: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];

#[test]
fn each_package_holds_the_licence_texts_and_its_readme() {
    let packages = [
        ("dmxp", "dmxp"),
        ("dmxp-derive", "dmxp-derive"),
        ("dmxp-schema", "dmxp-schema"),
        ("dmxp-c", "bindings/c"),
        ("dmxp-python", "bindings/python"),
    ];
    for (package, dir) in packages {
        let listed = std::process::Command::new(env!("CARGO"))
            .args(["package", "--list", "--allow-dirty", "--offline", "--package", package])
            .current_dir(ROOT)
            .output()
            .expect("cargo runs");
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        let listed = String::from_utf8(listed.stdout).expect("names");
        let files: BTreeSet<&str> = listed.lines().collect();
        for licence in LICENCES {
            assert!(files.contains(licence), "{package} is published without {licence}");
            assert_eq!(document(&format!("{dir}/{licence}")), document(licence), "{package}");
        }
        if std::path::Path::new(ROOT).join(dir).join("README.md").exists() {
            assert!(files.contains("README.md"), "{package} is published without its README");
        }
    }
}
