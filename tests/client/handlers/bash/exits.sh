same() { printf '%s' "$1"; }

printf 'exits at load\n' >&2
exit 3
