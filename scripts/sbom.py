#!/usr/bin/env python3
"""What a program of ours is made of: a bill of materials (CycloneDX 1.6, JSON) and the licences of what is linked.

    scripts/sbom.py PACKAGE PROGRAM TARGET BOM.cdx.json LICENCES.txt

PACKAGE is the crate that PROGRAM is built from, TARGET a target of Rust's. Listed are the crates that become part of the
program with the features that it asks for; what only builds it (build scripts, procedural macros) is not. Everything is
known from Cargo.lock and the crates' sources, so that the same sources give the same bytes. The time is that of
SOURCE_DATE_EPOCH.
"""

import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import uuid

# Sources within our crates and those of others that are no crates themselves, each with the crate that brings it.
BUNDLED = {
    "damo-report": {"type": "file", "name": "DejaVuSans.ttf", "version": "2.37", "licenses": [{"license": {"name": "Bitstream Vera"}}]},
}


def cargo(*words):
    """What cargo prints."""
    return subprocess.run(["cargo", *words, "--locked"], check=True, stdout=subprocess.PIPE, text=True).stdout


def linked(package, target):
    """(name, version) of each crate that becomes part of the package's programs."""
    lines = cargo("tree", "-p", package, "-e", "normal,no-proc-macro", "--target", target, "--prefix", "none", "-f", "{p}")
    # "zstd v0.13.5", "damo v0.1.0 (/path)", repeated ones with "(*)".
    return {(name, version) for name, version in re.findall(r"^(\S+) v(\S+)", lines, re.MULTILINE)}


def checksums():
    """The SHA-256 of the package of each crate from the registry, by (name, version), as Cargo.lock has it."""
    lock = pathlib.Path("Cargo.lock").read_text(encoding="utf-8")
    found = re.findall(r'name = "([^"]+)"\nversion = "([^"]+)"\nsource = "[^"]+"\nchecksum = "([0-9a-f]{64})"', lock)
    return {(name, version): checksum for name, version, checksum in found}


def reference(crate):
    """A package URL, which also names the component within the bill."""
    return f"pkg:cargo/{crate['name']}@{crate['version']}"


def expression(licence):
    """A licence as SPDX writes it; old manifests have a slash for OR."""
    return re.sub(r"\s*/\s*", " OR ", licence)


def component(crate, sums):
    """A crate as a component of the bill."""
    entry = {
        "type": "library",
        "bom-ref": reference(crate),
        "name": crate["name"],
        "version": crate["version"],
        "purl": reference(crate),
    }
    if crate["license"]:
        entry["licenses"] = [{"expression": expression(crate["license"])}]
    checksum = sums.get((crate["name"], crate["version"]))
    if checksum:
        entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if crate["name"] in BUNDLED:
        entry["components"] = [BUNDLED[crate["name"]]]
    return entry


def bill(program, root, crates, resolve, sums):
    """The bill of materials of a program, whose own package is `root`."""
    known = {crate["id"]: crate for crate in crates}
    dependencies = []
    for node in resolve["nodes"]:
        if node["id"] in known:
            normal = [
                dep["pkg"] for dep in node["deps"]
                if dep["pkg"] in known and any(kind["kind"] is None for kind in dep["dep_kinds"])
            ]
            ons = sorted(reference(known[dep]) for dep in normal)
            dependencies.append({"ref": reference(known[node["id"]]), "dependsOn": ons})
    own = component(root, sums) | {"type": "application", "name": program}
    made = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ"), "component": own},
        "components": [component(crate, sums) for crate in crates if crate is not root],
        "dependencies": sorted(dependencies, key=lambda entry: entry["ref"]),
    }
    # A number of its own for each content, and the same for the same one.
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    serial = uuid.uuid5(uuid.NAMESPACE_URL, f"{reference(root)}#{digest}")
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{serial}"} | content


def licence_texts(crate):
    """The texts in a crate's package that say how it may be used, by name."""
    directory = pathlib.Path(crate["manifest_path"]).parent
    names = re.compile(r"(licen[cs]e|copying|notice|copyright|unlicense)", re.IGNORECASE)
    files = [path for path in directory.iterdir() if path.is_file() and names.match(path.name)]
    files += [path for path in sorted(directory.glob("zstd/LICENSE"))]
    return [path.read_text(encoding="utf-8", errors="replace").strip() for path in sorted(files)]


def notices(crates):
    """One text with all licences, each text once, with the crates that have it."""
    by_text, without = {}, []
    for crate in crates:
        if not crate["source"]:
            continue
        texts = licence_texts(crate)
        for text in texts:
            by_text.setdefault(text, []).append(f"{crate['name']} {crate['version']}")
        if not texts:
            without.append(f"{crate['name']} {crate['version']}: {crate['license']}")
    font = pathlib.Path("crates/damo-report/assets/DejaVuSans.LICENSE")
    if font.exists() and any(crate["name"] == "damo-report" for crate in crates):
        by_text[font.read_text(encoding="utf-8").strip()] = ["DejaVuSans.ttf 2.37"]
    parts = [f"{', '.join(names)}\n\n{text}\n" for text, names in sorted(by_text.items(), key=lambda pair: (pair[1], pair[0]))]
    if without:
        parts.append("Without a text in their package:\n\n" + "\n".join(without) + "\n")
    return "\n{}\n\n".format("-" * 80).join(parts)


def main():
    """Writes the two files that are named on the command line."""
    package, program, target, bom, licences = sys.argv[1:]
    metadata = json.loads(cargo("metadata", "--format-version", "1", "--filter-platform", target))
    wanted = linked(package, target)
    crates = [crate for crate in metadata["packages"] if (crate["name"], crate["version"]) in wanted]
    crates.sort(key=lambda crate: (crate["name"], crate["version"]))
    if len(crates) != len(wanted):
        sys.exit(f"sbom: cargo names {len(wanted)} crates and describes {len(crates)} of them")
    root = next(crate for crate in crates if crate["name"] == package)
    content = bill(program, root, crates, metadata["resolve"], checksums())
    pathlib.Path(bom).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    pathlib.Path(licences).write_text(notices(crates), encoding="utf-8")


if __name__ == "__main__":
    main()
