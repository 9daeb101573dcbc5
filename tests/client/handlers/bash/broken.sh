same() { printf '%s' "$1"; }

lambda_error Broken 'broken at load'
return 1
