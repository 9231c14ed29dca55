-- The studio's tables. Times are milliseconds since 1970; JSON is kept as text. Secrets are kept as SHA-256 only.

CREATE TABLE workers (
  id TEXT PRIMARY KEY,
  install_id TEXT NOT NULL,
  label TEXT,
  -- NULL until the first approved poll has minted a token: nobody can connect before.
  token_hash TEXT,
  capabilities TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  connected_at INTEGER,
  last_seen_at INTEGER
);

CREATE TABLE registrations (
  id TEXT PRIMARY KEY,
  install_id TEXT NOT NULL,
  secret_hash TEXT NOT NULL,
  status TEXT NOT NULL,
  label TEXT,
  user_agent TEXT NOT NULL,
  ip TEXT NOT NULL,
  capabilities TEXT NOT NULL,
  reason TEXT,
  worker_id TEXT,
  created_at INTEGER NOT NULL,
  decided_at INTEGER
);
-- Two requests of one machine that race each other end as one row.
CREATE UNIQUE INDEX registrations_pending ON registrations (install_id, ip) WHERE status = 'pending';
CREATE INDEX registrations_by_time ON registrations (created_at);

-- One row for each register request that was let through, for the rate limit.
CREATE TABLE register_attempts (
  ip TEXT NOT NULL,
  at INTEGER NOT NULL
);
CREATE INDEX register_attempts_by_ip ON register_attempts (ip, at);

CREATE TABLE models (
  id TEXT PRIMARY KEY,
  display_name TEXT NOT NULL,
  kind TEXT NOT NULL,
  vram_gb_estimate REAL NOT NULL,
  source TEXT NOT NULL
);

-- `seq` is the place in the queue. What does not fit a row (2 MB) lies in R2 under `task_key` or `result_key`.
CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  model TEXT,
  model_source TEXT,
  task TEXT,
  task_key TEXT,
  vram_gb_estimate REAL NOT NULL,
  game_id TEXT NOT NULL,
  asset_name TEXT NOT NULL,
  status TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  worker_id TEXT,
  created_at INTEGER NOT NULL,
  offered_at INTEGER,
  accepted_at INTEGER,
  cancel_at INTEGER,
  finished_at INTEGER,
  error_code TEXT,
  error_message TEXT,
  prompt TEXT,
  result TEXT,
  result_key TEXT,
  output_key TEXT,
  output_ext TEXT,
  output_bytes INTEGER,
  output_type TEXT
);
CREATE INDEX jobs_by_status ON jobs (status, seq);

-- Who held a job and lost it: a late answer from such a worker is no protocol violation. `refused`: never offer it there again.
CREATE TABLE job_holders (
  job_id TEXT NOT NULL,
  worker_id TEXT NOT NULL,
  refused INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (job_id, worker_id)
);

CREATE TABLE logs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  worker_id TEXT NOT NULL,
  ts TEXT NOT NULL,
  level TEXT NOT NULL,
  category TEXT NOT NULL,
  message TEXT NOT NULL,
  job_id TEXT
);
CREATE INDEX logs_by_worker ON logs (worker_id, seq);
