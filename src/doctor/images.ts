import type { Container } from '../containers/docker/answers.ts';
import { imageHint } from '../containers/facts.ts';
import { ofStack, type Examination } from './examine.ts';
import { failed, passed, type Finding } from './finding.ts';
import { notRunning } from './served.ts';
import type { DoctorView, WantedImage } from './view.ts';

type Wanted = Readonly<Record<string, WantedImage>>;

/** Why this container is not on the image that `up` would take now; undefined where it is. */
const lagOf = ({ service, imageId, imageKind }: Container, image: WantedImage): string | undefined => {
  if ('gone' in image) return undefined;
  if (image.id === imageId) return undefined;
  const { ref, kind } = image;
  if (kind === 'upstream' && imageKind === 'stand-in')
    return `${service} is a stand-in, and the real one can be had now (${ref})`;
  if (kind === 'upstream' && imageKind === 'built')
    return `${service} was built here, and the published image can be had now (${ref})`;
  return image.id === undefined
    ? `${service} (wanted ${ref})`
    : `${service} (${ref} is another image here than the one it was started with)`;
};

/** `9 services; built here: certs, nginx; stand-ins: pocket-id` */
const kindsText = (containers: readonly Container[]): string => {
  const named = (kind: string) =>
    containers
      .filter((one) => one.imageKind === kind)
      .map((one) => one.service)
      .sort()
      .join(', ');
  const [built, standIns] = [named('built'), named('stand-in')];
  return [
    `${containers.length} services`,
    ...(built === '' ? [] : [`built here: ${built}`]),
    ...(standIns === '' ? [] : [`stand-ins: ${standIns}`]),
  ].join('; ');
};

/** Judges whether containers run on the images that are wanted now, and could be made anew. Pure. */
const judgeImages = (containers: readonly Container[], wanted: Wanted): Finding => {
  const known = containers.flatMap((one) => {
    const image = Object.hasOwn(wanted, one.service) ? wanted[one.service] : undefined;
    return image === undefined ? [] : [{ one, image }];
  });
  const gone = known.flatMap(({ one, image }) =>
    'gone' in image ? [`${one.service} (${image.ref}: ${image.gone})`] : [],
  );
  if (gone.length > 0)
    return failed(
      `run, and could not be made anew, because their images cannot be had: ${gone.join(', ')}`,
      imageHint,
      'npm run plan',
    );
  const behind = known.flatMap(({ one, image }) => lagOf(one, image) ?? []);
  if (behind.length === 0) return passed(kindsText(containers));
  const changesKind = known.some(
    ({ one, image }) => one.imageKind === 'stand-in' && 'kind' in image && image.kind === 'upstream',
  );
  return failed(
    `run on other images than up would take now: ${behind.join(', ')}`,
    `npm run up brings the images and recreates these services${
      changesKind ? '; a real server begins with data of its own, and takes over none of a stand-in' : ''
    }`,
    'npm run status',
  );
};

/** Images that are behind. */
export const imagesExamination = (view: DoctorView): Examination =>
  ofStack(
    view,
    {
      id: 'images',
      title: 'every service runs on the image that up would take now',
      needs: ['engine'],
      timeoutMs: 30_000,
    },
    async ({ wantedImages }, known, signal) => {
      const notUp = await notRunning(known, []);
      if (notUp !== undefined) return notUp;
      const containers = (await known.containers()).filter((one) => !one.oneOff);
      return judgeImages(
        containers,
        await wantedImages(
          containers.map((one) => one.service),
          signal,
        ),
      );
    },
  );
