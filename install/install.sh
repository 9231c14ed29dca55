#!/bin/sh
# Installs studio-worker for the user who runs this: no root, no compiler, a Node of its own. Doing it again updates it.
#
#   sh install.sh [--version 1.2.3] [--no-setup] [options of `studio-worker setup`]
#   sh install.sh --uninstall
#
# STUDIO_WORKER_DIR       where it goes; default ${XDG_DATA_HOME:-~/.local/share}/studio-worker
# STUDIO_WORKER_BIN_DIR   where the command is linked; default ~/.local/bin
# STUDIO_WORKER_VARIANT   plain, cuda, or auto (default: cuda where NVIDIA's driver is)
# STUDIO_WORKER_BASE_URL  where the releases are; https, or http to this machine
# STUDIO_WORKER_UPDATE=1  only the files: no setup at the end
set -eu

# Everything is in functions, and the last line starts it: half of this file, from a download that broke off, does nothing.

say() { printf '%s\n' "$*"; }
complain() { printf 'install: %s\n' "$*" >&2; }
fail() {
  complain "$*"
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

find_platform() {
  case $(uname -s) in
    Linux) platform=linux ;;
    Darwin) platform=darwin ;;
    *) fail "there is no bundle for $(uname -s); on Windows use install.ps1, elsewhere: npm i -g studio-worker" ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) arch=x64 ;;
    arm64 | aarch64) arch=arm64 ;;
    *) fail "there is no bundle for $(uname -m); with a Node for it: npm i -g studio-worker" ;;
  esac
  # A shell under Rosetta says x86_64 on a machine that is not.
  if [ "$platform" = darwin ] && [ "$(sysctl -n sysctl.proc_translated 2>/dev/null || true)" = 1 ]; then arch=arm64; fi
  if [ "$platform" = linux ] && ldd --version 2>&1 | grep -qi musl; then
    fail 'this system uses musl, the bundles need glibc: npm i -g studio-worker'
  fi
}

check_base_url() {
  case $base_url in
    https://*) protocols='=https' ;;
    http://127.0.0.1:* | http://127.0.0.1/* | http://localhost:* | http://localhost/* | 'http://[::1]'*) protocols='=http,https' ;;
    *) fail 'STUDIO_WORKER_BASE_URL must begin with https:// (plain http is for this machine only)' ;;
  esac
}

# get URL FILE: fails, and says nothing, when there is no such file.
get() {
  if have curl; then
    curl -fsSL --proto "$protocols" --connect-timeout 30 --speed-time 60 --speed-limit 1 -o "$2" "$1" 2>/dev/null
  elif have wget; then
    case $protocols in
      '=https') wget -q --https-only --timeout=60 -O "$2" "$1" 2>/dev/null ;;
      *) wget -q --timeout=60 -O "$2" "$1" 2>/dev/null ;;
    esac
  else
    fail 'curl or wget is needed'
  fi
}

sha256_of() {
  if have sha256sum; then sha256sum "$1" | cut -c 1-64
  elif have shasum; then shasum -a 256 "$1" | cut -c 1-64
  elif have openssl; then openssl dgst -sha256 -r "$1" | cut -c 1-64
  else fail 'sha256sum, shasum or openssl is needed to check the download'
  fi
}

choose_version() {
  if [ -z "$version" ]; then
    get "$base_url/latest/download/version.txt" "$scratch/version.txt" ||
      fail "cannot ask $base_url for the newest version; is there a connection?"
    version=$(head -n 1 "$scratch/version.txt" | tr -d '[:space:]')
  fi
  version=${version#v}
  case $version in
    *[!0-9A-Za-z.+-]* | '' | .*) fail "this is no version: $version" ;;
    [0-9]*.[0-9]*.[0-9]*) ;;
    *) fail "this is no version: $version" ;;
  esac
}

choose_variant() {
  installed=
  if [ -f "$root/current/bundle.json" ]; then
    if grep -q '"variant": *"cuda"' "$root/current/bundle.json"; then installed=cuda; else installed=plain; fi
  fi
  case ${STUDIO_WORKER_VARIANT:-auto} in
    # What was chosen once stays.
    auto) variant=${installed:-$(if [ -e /proc/driver/nvidia/version ] || have nvidia-smi; then echo cuda; else echo plain; fi)} ;;
    cuda) variant=cuda ;;
    plain | cpu) variant=plain ;;
    *) fail 'STUDIO_WORKER_VARIANT is one of plain, cuda, auto' ;;
  esac
}

fetch_bundle() {
  url=$base_url/download/v$version
  name=studio-worker-$version-$platform-$arch.tar.gz
  if [ "$variant" = cuda ]; then
    name=studio-worker-$version-$platform-$arch-cuda.tar.gz
    if ! get "$url/$name.sha256" "$scratch/sha256"; then
      say "there is no CUDA bundle of $version for $platform-$arch; taking the plain one"
      name=studio-worker-$version-$platform-$arch.tar.gz
    fi
  fi
  get "$url/$name.sha256" "$scratch/sha256" ||
    fail "release $version has no bundle for $platform-$arch, or no checksum for it ($url/$name.sha256)"
  wanted=$(sed -n '/[^[:space:]]/{p;q;}' "$scratch/sha256" | cut -c 1-64 | tr 'A-F' 'a-f')
  case $wanted in
    *[!0-9a-f]*) fail "the checksum of $name is not one, so it is not installed" ;;
  esac
  [ ${#wanted} -eq 64 ] || fail "the checksum of $name is not one, so it is not installed"
  say "fetching $name …"
  get "$url/$name" "$scratch/bundle" || fail "cannot fetch $url/$name"
  [ "$(sha256_of "$scratch/bundle")" = "$wanted" ] || fail "$name does not match its checksum, so it is not installed"
}

unpack_bundle() {
  say 'unpacking …'
  unpacked=$scratch/unpacked
  mkdir "$unpacked"
  tar -xzf "$scratch/bundle" -C "$unpacked" --strip-components 1 || fail "cannot unpack $name; is there room in $root?"
  if [ ! -f "$unpacked/bundle.json" ] || [ ! -x "$unpacked/runtime/node" ]; then fail "$name is no bundle of studio-worker"; fi
  "$unpacked/runtime/node" --version >/dev/null 2>&1 ||
    fail "the Node in $name does not run here: the system is too old for it; with a Node for it: npm i -g studio-worker"
  # What was flushed to the disk cannot vanish in a power cut after the rename that says it is there.
  sync
  mv "$unpacked" "$root/versions/$version"
}

link_command() {
  mkdir -p "$bin_dir"
  if [ -e "$bin_dir/studio-worker" ] && [ ! -L "$bin_dir/studio-worker" ]; then
    complain "$bin_dir/studio-worker is something else and stays; the command is $root/bin/studio-worker"
    return
  fi
  ln -sf "$root/bin/studio-worker" "$bin_dir/studio-worker"
  case :$PATH: in
    *:"$bin_dir":*) say "the command is studio-worker, in $bin_dir" ;;
    *)
      say "the command is $bin_dir/studio-worker. To type less, add this line to ~/.profile:"
      say "  export PATH=\"$bin_dir:\$PATH\""
      ;;
  esac
}

install() {
  find_platform
  check_base_url
  mkdir -p "$root/versions" 2>/dev/null || fail "cannot write in $root; set STUDIO_WORKER_DIR to a folder of yours"
  scratch=$(mktemp -d "$root/.install.XXXXXX") || fail "cannot write in $root"
  choose_version
  choose_variant
  if [ -f "$root/versions/$version/bundle.json" ]; then
    say "version $version is there already"
  else
    fetch_bundle
    unpack_bundle
  fi
  rm -rf "$scratch"
  scratch=
  "$root/versions/$version/runtime/node" "$root/versions/$version/dist/supervisor/update/adopt-main.js"
  say "studio-worker $version is installed in $root"
  link_command
  if [ "${STUDIO_WORKER_UPDATE:-}" = 1 ] || [ "$setup" = no ]; then return; fi
  exec "$root/bin/studio-worker" setup "$@"
}

uninstall() {
  if [ ! -d "$root/versions" ] || [ ! -f "$root/bin/studio-worker" ]; then
    say "there is no studio-worker in $root"
    return
  fi
  "$root/bin/studio-worker" uninstall-service || complain 'the service could not be removed'
  pid=$("$root/bin/studio-worker" status --json 2>/dev/null | sed -n 's/^  "pid": \([0-9]*\),*$/\1/p')
  [ -z "$pid" ] || fail "a worker is running (pid $pid): stop it first, then do this again"
  # Only what the installer and the updater have made: the folder may hold other things.
  rm -rf "$root/versions" "$root/downloads" "$root/bin/studio-worker" "$root"/.install.*
  rm -f "$root/current" "$root/previous" "$root/probation" "$root/update.json" "$root/update.lock" "$root/trial.json"
  rmdir "$root/bin" "$root" 2>/dev/null || complain "$root holds other files and stays"
  if [ -L "$bin_dir/studio-worker" ] && [ "$(readlink "$bin_dir/studio-worker")" = "$root/bin/studio-worker" ]; then
    rm -f "$bin_dir/studio-worker"
  fi
  say 'studio-worker is removed. Its configuration (~/.config/minis-studio-worker) and its models (~/models) are still there.'
}

clean_up() {
  if [ -n "$scratch" ]; then rm -rf "$scratch"; fi
}

main() {
  scratch=
  version=${STUDIO_WORKER_VERSION:-}
  setup=yes
  what=install
  base_url=${STUDIO_WORKER_BASE_URL:-https://github.com/webbertakken/studio-worker/releases}
  base_url=${base_url%/}
  if [ -z "${HOME:-}" ] && { [ -z "${STUDIO_WORKER_DIR:-}" ] || [ -z "${STUDIO_WORKER_BIN_DIR:-}" ]; }; then
    fail 'HOME is not set: set STUDIO_WORKER_DIR and STUDIO_WORKER_BIN_DIR'
  fi
  root=${STUDIO_WORKER_DIR:-${XDG_DATA_HOME:-${HOME:-}/.local/share}/studio-worker}
  bin_dir=${STUDIO_WORKER_BIN_DIR:-${HOME:-}/.local/bin}
  case $root in /?*) ;; *) fail "STUDIO_WORKER_DIR must be an absolute path, not $root" ;; esac
  while [ $# -gt 0 ]; do
    case $1 in
      --uninstall) what=uninstall; shift ;;
      --no-setup) setup=no; shift ;;
      --version)
        [ $# -gt 1 ] || fail '--version needs a version'
        version=$2
        shift 2
        ;;
      --help | -h)
        say 'usage: sh install.sh [--version 1.2.3] [--no-setup] [options of studio-worker setup]'
        say '       sh install.sh --uninstall'
        return
        ;;
      # The rest is for `studio-worker setup`.
      *) break ;;
    esac
  done
  trap clean_up EXIT
  trap 'exit 1' HUP INT TERM
  "$what" "$@"
}

main "$@"
