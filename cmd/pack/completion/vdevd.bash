# Completion of vdevd for bash: the program itself says what it takes.
# shellcheck shell=bash disable=SC1090
source <(vdevd --print-completion=bash 2>/dev/null)
