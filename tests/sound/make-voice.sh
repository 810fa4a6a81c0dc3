#!/bin/sh
# Makes core/assets/voice.wav: what the phone says where there is no microphone, and what the practice exchange says.
# Synthetic, so it is nobody's voice: espeak-ng (Dutch, then English), 16 kHz mono, levelled by sox. Run once, and
# again only to change the words; then run `cargo run --package toestel-sound --bin encode-voice` as well.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
espeak-ng -v nl -s 165 -p 45 -w "$folder/nl.wav" "Goedendag, dit is Toestel. U hoort dat uw telefoon werkt."
espeak-ng -v en-gb -s 165 -p 45 -w "$folder/en.wav" "Hello, this is Toestel. You can hear that your telephone works."
for language in nl en; do
    sox "$folder/$language.wav" "$folder/$language-clean.wav" silence 1 0.01 0.3% reverse silence 1 0.01 0.3% reverse pad 0.15 0.25
done
sox "$folder/nl-clean.wav" "$folder/en-clean.wav" -r 16000 -b 16 -c 1 "$(dirname "$0")/../../core/assets/voice.wav" \
    highpass 80 norm -6
