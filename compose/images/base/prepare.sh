#!/bin/sh
# Runs while the base is made, before the packages that are not essential are installed. usage: prepare.sh <root>
set -eu

add_user() { # name, uid and gid, home, shell
  echo "$1:x:$2:" >>"$root/etc/group"
  echo "$1:x:$2:$2::$3:$4" >>"$root/etc/passwd"
}

root=$1
add_user postgres 999 /var/lib/postgresql /bin/bash
add_user nginx 101 /nonexistent /bin/false
add_user node 1000 /home/node /bin/bash
add_user nonroot 65532 /home/nonroot /bin/false

# A cluster made at installation would be in the way: the entrypoint makes one where the data belongs.
mkdir -p "$root/etc/postgresql-common"
echo 'create_main_cluster = false' >"$root/etc/postgresql-common/createcluster.conf"
