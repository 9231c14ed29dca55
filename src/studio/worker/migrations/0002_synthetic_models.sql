-- The catalogue starts with one synthetic model a kind, so that a new studio can run a job of every kind at once.

INSERT INTO models (id, display_name, kind, vram_gb_estimate, source) VALUES
  ('synthetic-image', 'Synthetic image', 'image', 0, '{"engine":"synthetic","files":[],"cliDefaults":{"cfgScale":1,"steps":8,"width":512,"height":512}}'),
  ('synthetic-llm', 'Synthetic language model', 'llm', 0, '{"engine":"synthetic","files":[],"cliDefaults":{"cfgScale":1,"steps":8,"width":512,"height":512}}'),
  ('synthetic-stt', 'Synthetic transcription', 'audio_stt', 0, '{"engine":"synthetic","files":[],"cliDefaults":{"cfgScale":1,"steps":8,"width":512,"height":512}}'),
  ('synthetic-tts', 'Synthetic voice', 'audio_tts', 0, '{"engine":"synthetic","files":[],"cliDefaults":{"cfgScale":1,"steps":8,"width":512,"height":512}}'),
  ('synthetic-video', 'Synthetic video', 'video', 0, '{"engine":"synthetic","files":[],"cliDefaults":{"cfgScale":1,"steps":8,"width":512,"height":512}}');
