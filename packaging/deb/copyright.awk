# Prints a Debian copyright file for copyright.sh, from three files: the decisions in
# "licenses", lines FILE LICENSE of the recognized licenses, and lines PATH VERSION FILE.
# Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

function fail(message) {
	print "copyright: " message >"/dev/stderr"
	failed = 1
	exit 1
}

# add appends text to a list unless the list already has it.
function add(list, separator, text) {
	if (index(separator list separator, separator text separator)) return list
	return list == "" ? text : list separator text
}

# license_of returns the license of a file, and nothing for a notice.
function license_of(file,   name, base) {
	base = file
	sub(/.*\//, "", base)
	name = decided[module "/" base]
	if (name != "" || base ~ /^NOTICE/) return name
	name = identified[file]
	if (name !~ /^(MIT|BSD-[23]-Clause|Apache-2\.0)( and (MIT|BSD-[23]-Clause|Apache-2\.0))*$/)
		fail(file " needs a decision (license: " (name == "" ? "unknown" : name) "): read it and add it to packaging/deb/licenses")
	return name
}

# read_file appends the file's text to the current module's texts if show is true, and
# the copyright holders that the file names to the current module's holders.
function read_file(file, show,   line, blank, holder) {
	if (show && text != "") text = text " .\n"
	blank = ""
	while ((getline line <file) > 0) {
		sub(/[ \t\r\f]+$/, "", line)
		holder = line
		if (sub(/^[ \t]*Copyright (\([cC]\)|©) */, "", holder) ? holder ~ /^[0-9A-Z]/ : sub(/^[ \t]*Copyright /, "", holder) && holder ~ /^[0-9][0-9][0-9][0-9]/) {
			sub(/\.? [Aa]ll rights reserved\.?$/, "", holder)
			sub(/[., ]+$/, "", holder)
			holders = add(holders, "\n ", holder)
		}
		if (line == "") blank = blank (begun[file] ? " .\n" : "")
		else {
			begun[file] = 1
			if (show) text = text blank " " line "\n"
			blank = ""
		}
	}
	close(file)
}

function finish_module() {
	if (module == "") return
	if (licenses == "") fail(module " has no license file")
	printf "\nFiles: %s/*\nCopyright: %s\nLicense: %s\n", module, holders == "" ? "the authors of " module : holders, licenses
	if (licenses == "Apache-2.0" && text != "") print " Its text is above. The module has this notice:\n ."
	printf "%sComment: The programs link %s %s.\n", text, module, version
}

FILENAME == ARGV[1] && /^[^#]/ { file = $1; $1 = ""; decided[file] = substr($0, 2) }
FILENAME == ARGV[2] { identified[$1] = add(identified[$1], " and ", $2) }
FILENAME == ARGV[3] && FNR == 1 {
	print "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
	print "Upstream-Name: latchd"
	print "Upstream-Contact: latchd maintainers <maintainers@latchd.example>"
	print "Source: https://github.com/latchd/latchd"
	print "\nFiles: *\nCopyright: 2026 the latchd authors\nLicense: Apache-2.0"
	print "\nLicense: Apache-2.0\n On Debian systems the text of the Apache License, Version 2.0, is in"
	print " /usr/share/common-licenses/Apache-2.0."
}
FILENAME == ARGV[3] {
	if ($1 != module) {
		finish_module()
		module = $1; version = $2
		licenses = holders = text = ""
	}
	if ($3 == "-") next
	license = license_of($3)
	if (license == "-") next
	n = split(license, names, " and ")
	for (i = 1; i <= n; i++) licenses = add(licenses, " and ", names[i])
	read_file($3, license != "Apache-2.0") # Debian has the text of the Apache License
}
END {
	if (failed) exit 1
	finish_module()
}
