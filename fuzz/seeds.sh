#!/usr/bin/env bash
# Fills fuzz/corpus/TARGET from the fixtures: `fuzz/seeds.sh detect json`. Pieces have the names of their fixtures, so that
# filling twice changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

# What arrived in 2026, at Greenwich, with the month first: how inputs with a context begin.
HEAD='\xbb\xf0\x80\x00'
LINES_A_FILE=8

logs() { find fixtures/lines fixtures/captured -name '*.log' | sort; }

# Puts pieces of so many lines of each file into the corpus, after a head.
pieces() { # TARGET HEAD LINES FILE...
  local target=$1 head=$2 lines=$3 piece
  shift 3
  rm -rf "fuzz/corpus/.$target" && mkdir -p "fuzz/corpus/.$target" "fuzz/corpus/$target"
  for file in "$@"; do
    split --lines "$lines" --additional-suffix ".${file//\//_}" "$file" "fuzz/corpus/.$target/"
  done
  for piece in "fuzz/corpus/.$target"/*; do
    { printf '%b' "$head"; head -c -1 "$piece"; } >"fuzz/corpus/$target/${piece##*/}"
  done
  rm -r "fuzz/corpus/.$target"
}

for target in "$@"; do
  case $target in
    formats) pieces "$target" "$HEAD" 1 $(logs) ;;
    detect) pieces "$target" "$HEAD" $LINES_A_FILE $(logs) ;;
    syslog) pieces "$target" "$HEAD" 1 fixtures/lines/{syslog3164,syslog5424,cisco,cef,leef,auditd,winlog,dmesg}/*.log fixtures/captured/{sshd,rsyslog}.log ;;
    json) pieces "$target" "$HEAD" 1 fixtures/lines/{json,mongodb,postgresql_json}/*.log fixtures/captured/{pino,winston}.log ;;
    join) pieces "$target" '' 64 $(logs) ;;
    template) pieces "$target" '' $LINES_A_FILE $(logs) fixtures/templates/*.log ;;
    lumberjack) # A window of two events, one of version 1, and a compressed frame with nothing in it.
      mkdir -p "fuzz/corpus/$target"
      printf '\x07%b' '2W\0\0\0\x022J\0\0\0\x01\0\0\0\x02{}2J\0\0\0\x02\0\0\0\x02{}' >"fuzz/corpus/$target/events"
      printf '\x07%b' '1D\0\0\0\x01\0\0\0\x01\0\0\0\x04line\0\0\0\x02hi' >"fuzz/corpus/$target/pairs"
      printf '\x07%b' '2C\0\0\0\x08\x78\x9c\x03\0\0\0\0\x01' >"fuzz/corpus/$target/compressed" ;;
    grok) # Each pattern of a pipeline, and the lines of its cases.
      mkdir -p "fuzz/corpus/$target"
      for file in pipelines/*.conf; do
        name=${file##*/}
        { grep -ho '"^[^"]*"' "$file" | sed -n '1s/"//gp' || true; sed -n 's/^> //p' "${file%.conf}.test"; } >"fuzz/corpus/$target/$name"
      done ;;
    dissect)
      mkdir -p "fuzz/corpus/$target"
      printf '%s\n' '%{a} %{+a/2} %{?k}=%{&k}->' 'x y k=v' >"fuzz/corpus/$target/keys"
      printf '%s\n' '[%{time}] %{level->} %{}: %{message}' '[now] info   x: hello' >"fuzz/corpus/$target/padding" ;;
    kv | csv | xml)
      mkdir -p "fuzz/corpus/$target"
      for choice in 0 1 2 3 4 5; do
        { printf '%b' "\x0$choice"; case $target in
            kv) printf '%s' 'a=1 b="x y" c=[d=1 d=2], <e>: 5 &f=' ;;
            csv) printf '%s' '1,"b""c",;yes||2026-01-02' ;;
            xml) printf '%s' '<?xml version="1.0"?><a b="1" xmlns:n="u"><n:b>x &lt; <![CDATA[y]]></n:b><!-- z --><b/></a>' ;;
          esac; } >"fuzz/corpus/$target/$choice"
      done
      if [ "$target" = xml ]; then printf '\xff%s\n%s' "//a[@b='1']/text()" "<a b='1'>x</a>" >"fuzz/corpus/$target/xpath"; fi ;;
    sprintf)
      mkdir -p "fuzz/corpus/$target"
      printf '%s\n' '%{[a][0]} %{+yyyy.MM.dd} %{{TIME}} %{b}' '{"@timestamp":"2026-01-02T03:04:05Z","a":[1.5],"b":{"c":null}}' >"fuzz/corpus/$target/references" ;;
    config) pieces "$target" '' 64 fixtures/config/{ok,err}/*.conf ;;
    query) pieces "$target" '' 64 fixtures/query/{ok,err}/*.query ;;
    *) echo "no target $target" >&2 && exit 2 ;;
  esac
  # What once broke something is a good place to start from.
  if [ -d "fixtures/fuzz/$target" ]; then cp fixtures/fuzz/"$target"/* "fuzz/corpus/$target/"; fi
done
