# Turns CHANGELOG.md into a Debian changelog:
#	awk -v package=NAME -v version=VERSION -v time=SECONDS -f changelog.awk CHANGELOG.md
# The part "Unreleased" gets the package's version and time (seconds since 1970).

function fail(message) {
	printf "%s:%d: %s\n", FILENAME, FNR, message >"/dev/stderr"
	failed = 1
	exit 1
}

# finish_change prints the current change, in lines of at most 80 characters.
function finish_change(   words, n, i, line) {
	if (change == "") return
	if (!changes++) printf "%s%s (%s) unstable; urgency=medium\n\n", releases++ ? "\n" : "", package, release
	gsub(/`/, "'", change)
	n = split(change, words)
	line = "  * " words[1]
	for (i = 2; i <= n; i++) {
		if (length(line) + 1 + length(words[i]) > 80) {
			print line
			line = "    " words[i]
		} else line = line " " words[i]
	}
	print line
	change = ""
}

function finish_release() {
	finish_change()
	if (changes) printf "\n -- latchd maintainers <maintainers@latchd.example>  %s\n", date
	changes = 0
}

/^## / {
	finish_release()
	if ($0 == "## Unreleased") {
		release = version
		day = "@" time
	} else if ($0 ~ /^## [0-9]+\.[0-9]+\.[0-9]+ - [0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]$/) {
		release = $2
		day = $4
	} else fail("want '## Unreleased' or '## 1.2.0 - 2026-11-24'")
	command = "date --utc --rfc-email --date=" day " 2>/dev/null"
	if ((command | getline date) != 1) fail("invalid date " day)
	close(command)
	next
}

/^- / && release { finish_change(); change = substr($0, 3); next }
/^[ \t]*$/ { finish_change() }
change { change = change " " $0 }

END {
	if (failed) exit 1
	if (!release) fail("no releases")
	finish_release()
}
