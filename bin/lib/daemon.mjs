import { spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { askEngine } from './engine.mjs';
import { systemPath } from './machine.mjs';
import { capture, tail } from './run.mjs';
import { say, Stop } from './say.mjs';

const startTimeoutMs = 60_000;

/** Runs the init system's own command. Returns where to look when it does not help. */
const startByInit = (file, args, log) => {
  say(`  ${[file, ...args].join(' ')}`);
  const { code, stderr } = capture(file, args);
  return { ended: () => undefined, said: () => (code === 0 ? '' : tail(stderr)), log };
};

/** Starts the daemon without an init system; it outlives us, and nobody starts it again. */
const startByItself = (env, log) => {
  say(`  dockerd, by itself: its log is ${log}, its process id is in /var/run/docker.pid`);
  const output = openSync(log, 'a', 0o600);
  const child = spawn('dockerd', [], {
    detached: true,
    stdio: ['ignore', output, output],
    cwd: '/',
    env: { ...env, PATH: systemPath(env) },
  });
  let ended;
  child.once('error', (error) => {
    ended = error.message;
  });
  child.once('exit', (code, signal) => {
    ended = `dockerd ended at once (${code ?? signal})`;
  });
  child.unref();
  return { ended: () => ended, said: () => tail(readFileSync(log, 'utf8'), 3), log };
};

const starts = {
  systemd: () => startByInit('systemctl', ['enable', '--now', 'docker'], 'journalctl -u docker'),
  sysv: () => startByInit('service', ['docker', 'start'], '/var/log/docker.log'),
  none: (env, log) => startByItself(env, log),
};

/**
 * Starts the Engine, through the init system or by itself, and returns its version as soon as it answers.
 * @throws {Stop} ENGINE_UNREACHABLE
 */
export const startEngine = async (socketPath, init, env, log = '/var/log/skylab-dockerd.log') => {
  const start = starts[init](env, log);
  const endAt = performance.now() + startTimeoutMs;
  for (;;) {
    const engine = await askEngine(socketPath);
    if (engine.version !== undefined) return engine.version;
    const ended = start.ended();
    if (ended !== undefined || performance.now() > endAt) {
      const seen = ended ?? `no answer ${startTimeoutMs / 1000} s after its start (${engine.errno})`;
      const said = start.said();
      throw new Stop(
        'ENGINE_UNREACHABLE',
        `the Docker Engine did not start: ${seen}${said === '' ? '' : `\n${said}`}`,
        `look at its log: ${start.log}`,
      );
    }
    await sleep(200);
  }
};
