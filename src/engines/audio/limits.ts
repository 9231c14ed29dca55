// How much sound one job may bring. Whoever has more cuts it into several jobs.

/** Both recognisers hear 16 kHz mono and nothing else. */
export const SPEECH_RATE = 16_000;
/** Three hours at 16 kHz are 350 MB as 16-bit samples and, inside whisper.cpp, twice 690 MB as floats: a long lecture fits. */
export const AUDIO_SECONDS_MAX = 3 * 3600;
/** The same three hours as a 16-bit mono WAV at 16 kHz, with room; compressed formats are far below. */
export const AUDIO_BYTES_MAX = 512 * 1024 * 1024;
