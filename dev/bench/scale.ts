/**
 * Measures what one program with several apps costs, compared with the same program with none: `npm run
 * bench -- scale`. `APPS=1,10` measures fewer.
 */
import path from "node:path";
import { startLocalFly } from "../fly/index.ts";
import { Api } from "../harness/api.ts";
import { pushImage } from "../harness/image.ts";
import { ProgramStack } from "../harness/programStack.ts";
import { ROOT } from "../../lib/paths.ts";
import { figuresOf } from "./support/measure.ts";
import { peakOf } from "./support/processes.ts";
import { requestsOf, type Requests } from "./support/requests.ts";
import { printTable } from "./support/table.ts";

const RUNS = Number(process.env.RUNS ?? 1);
const COUNTS = (process.env.APPS ?? "1,10,50").split(",").map(Number);
const STEPS = ["first up", "up, unchanged", "preview, unchanged", "destroy"] as const;
type Step = (typeof STEPS)[number];

/** App whose repository has the image. */
const IMAGES = "scale-images";
const PROJECT = "scale";

/** Command line of the process that runs the providers. */
const HOST = /dynamic-provider/;

interface Measured extends Requests {
    seconds: number;
    /** Peak memory of that process, in megabytes. */
    host: number;
}

type Round = Record<Step, Measured>;

const measured = new Map<number, Round[]>();
const fly = await startLocalFly({ settings: { rateLimit: true } });
const api = new Api(fly);
try {
    await api.app(IMAGES);
    const image = await pushImage(fly, IMAGES);
    await round(0, "scale-warm", image);
    for (let run = 0; run < RUNS; run++) {
        for (const count of [0, ...COUNTS]) {
            const one = await round(count, `scale-${run}-${count}`, image);
            measured.set(count, [...(measured.get(count) ?? []), one]);
        }
    }
    report();
} finally {
    await fly.close();
}

async function round(count: number, name: string, image: string): Promise<Round> {
    const text = program(count, name, image);
    const stack = new ProgramStack({ project: PROJECT, text, token: fly.token });
    await stack.init();
    const run: Record<Step, () => Promise<unknown>> = {
        "first up": () => stack.must(stack.up()),
        "up, unchanged": () => stack.must(stack.up("--expect-no-changes")),
        "preview, unchanged": () => stack.must(stack.run("preview", "--expect-no-changes")),
        destroy: () => stack.must(stack.destroy()),
    };
    try {
        const done = {} as Round;
        for (const step of STEPS) {
            let seconds = 0;
            let host = 0;
            const requests = await requestsOf(api, async () => {
                const begun = performance.now();
                host = await peakOf(HOST, run[step]);
                seconds = (performance.now() - begun) / 1000;
            });
            done[step] = { seconds, host, ...requests };
        }
        return done;
    } finally {
        stack.remove();
    }
}

function program(count: number, prefix: string, image: string): string {
    return `
import { App, IpAddress, Machine, Secrets, Volume } from ${JSON.stringify(path.join(ROOT, "providers", "index.ts"))};
const { endpoint, image, prefix } = ${JSON.stringify({ endpoint: fly.endpoint, image, prefix })};
const owner = { project: "${PROJECT}", stack: "dev" };
for (let at = 1; at <= ${count}; at++) {
    const name = prefix + "-" + at;
    const app = new App(name, { endpoint, name, organization: "personal", owner }).name;
    new IpAddress(name, { endpoint, app, type: "v6" });
    const volume = new Volume(name, { endpoint, app, name: "data", region: "lhr", sizeGb: 1, owner });
    const secrets = new Secrets(name, { endpoint, app, files: { secret: "of-" + name }, names: ["SECRET"] });
    new Machine(name, {
        endpoint, app, name: "${PROJECT}", region: "lhr", owner,
        secretsVersion: secrets.version,
        config: {
            image,
            guest: { cpu_kind: "shared", cpus: 1, memory_mb: 256 },
            mounts: [{ volume: volume.volumeId, path: "/data" }],
            restart: { policy: "always" },
            stop_config: { signal: "SIGTERM", timeout: "5s" },
        },
    });
}
`;
}

function report(): void {
    const heading = ["", "apps", "seconds", "per app", "requests", "per app"];
    const rows = STEPS.flatMap((step) => {
        const floor = secondsOf(step, 0);
        return [0, ...COUNTS].map((count) => {
            const all = measured.get(count)!.map((round) => round[step]);
            const requests = figuresOf(all.map((one) => one.count)).median;
            const seconds = secondsOf(step, count);
            const perApp = (value: number) => (count === 0 ? "" : (value / count).toFixed(2));
            return [
                step,
                String(count),
                seconds.toFixed(2),
                perApp(seconds - floor),
                String(requests),
                perApp(requests),
                String(Math.max(...all.map(({ atOnce }) => atOnce))),
                String(Math.max(...all.map(({ appsAtOnce }) => appsAtOnce))),
                Math.max(...all.map(({ host }) => host)).toFixed(0),
                String(all.reduce((sum, { refused }) => sum + refused, 0)),
            ];
        });
    });
    printTable([[...heading, "most at once", "of apps", "host MB", "answered 429"], ...rows]);
    console.log(
        `${RUNS} rounds, medians. Per app: beyond what the program with none takes; must not grow.`,
    );
}

function secondsOf(step: Step, count: number): number {
    return figuresOf(measured.get(count)!.map((round) => round[step].seconds)).median;
}
