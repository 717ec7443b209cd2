import type { Area } from '../orchestrator/area.ts';
import type { ContainerExec } from '../orchestrator/ports.ts';
import { monotonicMs, sleep } from '../shared/clock.ts';
import { StackError } from '../shared/errors.ts';
import { digestOf, writeAtomic, type Owner } from '../shared/files.ts';
import { desiredIngress, type DesiredIngress } from './desired.ts';
import { frontDifference, planFront, type AwaitFront, type WriteFront } from './doors/front-plan.ts';
import { copiesOf, includeHint, renderFront } from './doors/front.ts';
import { handOver } from './doors/hand-over.ts';
import { observeIngress, type FrontPorts, type IngressWorld } from './observe.ts';
import { ingressDifference, ingressFacts, planIngress, type AwaitReload } from './plan.ts';
import { renderIngress } from './render.ts';

export interface IngressPorts extends FrontPorts {
  readonly exec: ContainerExec;
  /** Who owns what the other nginx reads, and its group; undefined: as the folder has it. */
  readonly frontOwner: Owner | undefined;
}

const intervalMs = 250;
/** The end of the step's time is for asking nginx what is wrong. */
const askingMs = 10_000;

/** What nginx says about the files that are mounted now; undefined where it would take them. */
const complaint = async (
  { desired }: AwaitReload,
  ports: IngressPorts,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const file = `${desired.places.files}/current/nginx.conf`;
  // The access log goes to /dev/stdout, and what an exec's output is cannot always be opened anew.
  const command = 'exec nginx -e stderr -t -q -c "$1" >/dev/null';
  const { exitCode, stderr } = await ports.exec.exec('nginx', ['sh', '-c', command, 'sh', file], { signal });
  if (exitCode === 0) return undefined;
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  return lines.find((line) => line.includes('[emerg]')) ?? lines[0] ?? `exit code ${exitCode}`;
};

/**
 * Looks again and again until nothing is left to wait for. After a reload nginx's old workers take connections beside the
 * new ones for a moment, so one good look is not enough: it takes two in a row. Returns what is left after the patience.
 */
const lookUntilSteady = async (
  look: () => Promise<string | undefined>,
  patienceMs: number,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const startedAtMs = monotonicMs();
  let wasGood = false;
  for (;;) {
    const left = await look();
    if (left === undefined && wasGood) return undefined;
    wasGood = left === undefined;
    if (!wasGood && monotonicMs() - startedAtMs > patienceMs) return left;
    await sleep(intervalMs, signal);
  }
};

/**
 * Waits until nginx serves the wanted configuration and certificate for every name. It writes nothing.
 * @throws {StackError} INGRESS_INVALID with nginx's own line where it refuses what it should serve; DEADLINE
 */
const awaitReload = async (step: AwaitReload, ports: IngressPorts, signal: AbortSignal): Promise<void> => {
  const patienceMs = step.deadlineMs - askingMs;
  const look = async () => ingressDifference(await observeIngress(step.desired, ports, signal), step.version);
  const left = await lookUntilSteady(look, patienceMs, signal);
  if (left === undefined) return;
  const line = await complaint(step, ports, signal);
  throw line === undefined
    ? new StackError('DEADLINE', `after ${patienceMs / 1000} s still: ${left}`, {
        hint: 'npm run -s logs -- --service nginx shows what it did',
        data: { seen: left, wantedVersion: step.version },
      })
    : new StackError('INGRESS_INVALID', `nginx refuses what it should serve: ${line}`, {
        hint: 'nginx serves on with what it has; if it names the certificate, run npm run renew -- --now, else report this line',
        data: { line, seen: left, wantedVersion: step.version },
      });
};

/** How long the other nginx may take for a reload that a person has just asked for. */
const frontPatienceMs = 5_000;

/** @throws {StackError} INGRESS_NOT_FRONTED with what a person has to do */
const awaitFront = async (
  { desired, front, version }: AwaitFront,
  ports: IngressPorts,
  signal: AbortSignal,
): Promise<void> => {
  const look = async () => frontDifference((await observeIngress(desired, ports, signal)).front, version);
  const left = await lookUntilSteady(look, frontPatienceMs, signal);
  if (left === undefined) return;
  throw new StackError('INGRESS_NOT_FRONTED', left, {
    hint: includeHint(front),
    data: { file: front.file, port: desired.port },
  });
};

const frontVersion = (desired: DesiredIngress): string =>
  desired.front === undefined ? '' : renderFront(desired, desired.front, digestOf).version;

/** nginx: one virtual host a name, with the certificate from the store. */
export const createIngressArea = (
  ports: IngressPorts,
): Area<DesiredIngress, IngressWorld, AwaitReload | AwaitFront | WriteFront> => ({
  name: 'ingress',
  desired: desiredIngress,
  observe: async (desired, signal) => observeIngress(desired, ports, signal),
  facts: (desired, world) =>
    ingressFacts(world, renderIngress(desired, digestOf).version, frontVersion(desired)),
  plan: (desired, world) => [
    ...planIngress(desired, world, renderIngress(desired, digestOf).version),
    ...(desired.front === undefined ? [] : planFront(desired, desired.front, world, frontVersion(desired))),
  ],
  apply: {
    'await-reload': async (step, _effects, signal) => awaitReload(step, ports, signal),
    async 'write-vhost'({ desired, front }, effects) {
      const { text } = renderFront(desired, front, digestOf);
      await effects.perform('file', `write ${front.file}`, async () =>
        writeAtomic(front.file, text, 0o640, ports.frontOwner),
      );
    },
    async 'hand-over'({ desired, front }, effects) {
      await handOver(front.folder, copiesOf(desired), ports.readPair, effects, ports.frontOwner);
    },
    'await-front': async (step, _effects, signal) => awaitFront(step, ports, signal),
  },
  files: (desired) => renderIngress(desired, digestOf).files,
  // What it serves is rendered anew, and certificates belong to their own area.
  keeps: () => [],
});
