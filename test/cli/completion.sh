#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# completion.sh - vdevd --print-completion: what shells make of it.

# shellcheck source=test/build/common
. "${0%/*}/../build/common"
cd "$work" || exit 2

refuses 'an unknown shell' 2 '^vdevd: --print-completion=ksh: bash, zsh or fish is wanted' "$VDEVD" --print-completion=ksh
refuses 'no shell' 2 '^vdevd: --print-completion=: bash, zsh' "$VDEVD" --print-completion
refuses 'a value of another one' 2 '^vdevd: --version=1: no such device' "$VDEVD" --version=1

for shell in bash zsh fish; do
	"$VDEVD" --print-completion=$shell >$shell 2>err
	expect "$shell's is printed" test $? = 0 -a -s $shell -a ! -s err
done

# completes WANTED WORD...: whether bash makes this of the last word.
completes()
{
	wanted=$1
	shift
	# shellcheck disable=SC2016 # bash's
	got=$(bash -c 'source ./bash; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _vdevd; echo ${COMPREPLY[*]}' bash "$@")
	expect "$*: $wanted" test "$got" = "$wanted"
}
if command -v bash >/dev/null; then
	expect 'bash knows the names' bash -c 'source ./bash; complete -p vdevd vdevd-rng'
	completes rng vdevd rn
	completes relay vdevd rela
	completes '--max-bytes=' vdevd rng --max
	completes '--max-bytes=' vdevd-rng --max
	completes '--version' vdevd rng --vers
	completes 'error warn info debug' vdevd rng --log-level =
	completes 'debug' vdevd rng --log-level = d
	completes 'debug' vdevd rng --log-level d
	completes 'libvirt libkrun' vdevd rng -s x --print-frontend = lib
	completes '--socket-path=' vdevd probe --socket-p
	completes 'rng' vdevd help rn
	touch 'a file'
	completes 'a file' vdevd rng --source = a
	completes 'a file' vdevd run a
	for name in $VDEVD_DEVICES; do
		"$VDEVD" "$name" --print-capabilities | python3 -c '
import json, sys
print(*("--" + o["name"] for o in json.load(sys.stdin)["options"]), sep="\n")' | sort >options
		# shellcheck disable=SC2016 # bash's
		bash -c 'source ./bash; printf "%s\n" $(_vdevd_words $1)' bash "$name" | sed 's/=$//' | sort >words
		expect "all options of $name" cmp options words
	done
else
	echo 'skip bash: there is none'
fi

# check SHELL TEXT COMMAND...: where there is the shell.
check()
{
	if command -v "$1" >/dev/null; then
		text=$2
		shift 2
		expect "$text" "$@"
	else
		echo "skip $1: there is none"
	fi
}
check zsh 'zsh reads its own' zsh -fn ./zsh
# shellcheck disable=SC2016 # zsh's
check zsh 'and knows the names' zsh -fc 'autoload -U compinit; compinit -D; source ./zsh; [[ $_comps[vdevd] == _vdevd && $_vdevd_names[(r)rng:*] ]]'
check fish 'fish reads its own' fish --no-config -c 'source ./fish; test (complete -C "vdevd rn" | cut -f1) = rng'
check fish 'and completes a value' \
	fish --no-config -c 'source ./fish; test (complete -C "vdevd rng --log-level=deb" | cut -f1) = --log-level=debug'

exit $status
