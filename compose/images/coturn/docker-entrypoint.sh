#!/bin/bash
# Options go to turnserver, anything else is a command of its own. As in the official image every argument is read by
# the shell once more: $, backticks and blanks in it are not safe.
if [ "${1:0:1}" = - ]; then set -- turnserver "$@"; fi
exec $(eval "echo $*")
