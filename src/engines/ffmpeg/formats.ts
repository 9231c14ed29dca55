// Which containers a file that came with a job may be. ffmpeg also knows formats that are lists of other files (HLS,
// DASH, concat, image sequences), and a stranger's list could name a file of this machine; so what may be read is a list
// of containers that hold all that they are.

export const AUDIO_FORMATS = [
  ...['wav', 'w64', 'aiff', 'au', 'caf', 'flac', 'mp3', 'aac', 'ogg', 'amr', 'wv', 'ac3', 'eac3', 'asf'],
  // Recordings are often the sound of a film.
  ...['mov', 'matroska', 'avi', 'mpegts', 'mpeg', 'flv'],
];

export const VIDEO_FORMATS = ['mov', 'matroska', 'avi', 'gif', 'mpegts'];
