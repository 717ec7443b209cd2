import { spawn, spawnSync } from 'node:child_process';

/** What a program printed and how it ended; `code` is null where it could not be started or was killed. */
export const capture = (file, args, options = {}) => {
  const { status, stdout, stderr, error } = spawnSync(file, args, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    ...options,
  });
  return { code: status, stdout: stdout ?? '', stderr: stderr ?? '', missing: error?.code === 'ENOENT' };
};

/** Runs a program with this terminal and returns its exit code; it gets our signals through the terminal. */
export const passThrough = async (file, args, options = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: 'inherit', ...options });
    const ignore = () => undefined;
    process.on('SIGINT', ignore);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      process.off('SIGINT', ignore);
      resolve(code ?? (signal === 'SIGINT' ? 130 : 143));
    });
  });

/** The last lines of a text, for messages. */
export const tail = (text, lines = 8) => text.trim().split('\n').slice(-lines).join('\n');
