// The config file that is written when there is none. Only what most people change stands in it; every other key has a
// default and is described in docs/configuration.md.
import { DEFAULT_API_BASE_URL, DEFAULT_THRESHOLD_GB } from './schema.ts';

/**
 * `detectedVramGb` lowers the threshold to what the device has and never raises it; 0 means unknown. Comments of a table
 * stand inside it, so that keys which the worker adds later (its id and token) do not separate the two.
 */
export function defaultConfigText(detectedVramGb: number): string {
  const fits = detectedVramGb > 0 && detectedVramGb < DEFAULT_THRESHOLD_GB;
  // Rounded down: half a GiB more than there is would be a promise that cannot be kept.
  const threshold = fits ? Math.floor(detectedVramGb * 100) / 100 : DEFAULT_THRESHOLD_GB;
  return `# Configuration of studio-worker; all keys are described in docs/configuration.md. A running worker notices most changes
# by itself. It adds keys of its own (worker_id, auth_token, …) and keeps your comments.

# The studio to work for.
api_base_url = "${DEFAULT_API_BASE_URL}"

# The largest job to take, in GiB of device memory.
vram_threshold_gb = ${Number.isInteger(threshold) ? threshold.toFixed(1) : threshold}

# false: stay connected and take no jobs (as \`studio-worker disable\` does).
auto_enabled = true

# Where models are kept. Downloads of many GiB end up here.
models_root = "~/models"

[logging]
# trace, debug, info, warn or error. Files roll at max_size or max_age_days, and so many of them are kept.
level = "info"
max_size = "10m"
keep = 5

# Memory and threads of one kind of job: image, llm, audio_stt, audio_tts, video. For example:
# [pools.llm]
# vram_gb = 8.0
# concurrency = 4
`;
}
