/** Every request of a run × every fault, on small stacks side by side, each with a local Fly of its own. */
import assert from "node:assert/strict";
import { startLocalFly, type LocalFly } from "../../../dev/fly/index.ts";
import { FAULTS, type Fault } from "../../matrix/support/faults.ts";
import { runMatrix, type Case, type Phase, type Trial } from "../../matrix/support/matrix.ts";
import type { CallName } from "../../matrix/support/proxy.ts";
import { Api } from "../../../dev/harness/api.ts";
import { pushImage } from "../../../dev/harness/image.ts";
import {
    contents,
    holdsOnly,
    isDeployed,
    isGone,
    keepsSecrets,
    saysClearly,
} from "./invariants.ts";
import { meet } from "./meet.ts";
import { RESOURCES } from "./smallProgram.ts";
import type { ProgramRun } from "../../../dev/harness/programStack.ts";
import { SmallStack } from "./smallStack.ts";
import { until } from "../../../dev/harness/until.ts";

type PhaseName = "first up" | "update" | "replace" | "destroy";

/** Its repository holds the images. */
const IMAGES = "images";
const MAX_VOLUME_GB = 12;

class Place {
    readonly fly: LocalFly;
    readonly #images: readonly string[];
    readonly #api: Api;
    #count = 0;
    #round = 0;
    /** URNs that the next run replaces; the run after it only continues. */
    #replaced: string[] = [];
    #stack: SmallStack | undefined;

    private constructor(fly: LocalFly, api: Api, images: readonly string[]) {
        this.fly = fly;
        this.#api = api;
        this.#images = images;
    }

    static async make(): Promise<Place> {
        const settings = { volumeReleaseMs: 300, appDeleteMs: 100, restartBackoffMs: 200 };
        const fly = await startLocalFly({ settings });
        const api = new Api(fly);
        await api.app(IMAGES);
        // Two images of the same content, made at different times: their digests differ.
        return new Place(fly, api, [await pushImage(fly, IMAGES), await pushImage(fly, IMAGES)]);
    }

    async close(): Promise<void> {
        this.#stack?.remove();
        await this.fly.close();
    }

    get stack(): SmallStack {
        return this.#stack!;
    }

    /** A new stack, with nothing left of the previous one. */
    async anew(): Promise<void> {
        if (this.#stack) {
            const { app } = this.stack;
            await this.#api.call("DELETE", `/apps/${app}?force=true`);
            await until(
                `${app} is gone`,
                async () => (await this.#api.call("GET", `/apps/${app}`)).status === 404,
            );
            this.stack.remove();
        }
        const app = `small-${++this.#count}`;
        this.#stack = await SmallStack.make(this.fly, app, this.#images[0]!, {
            memoryMb: 256,
            volumeSizeGb: 1,
            secret: "the-first-secret",
            ipv4: true,
            port: 1883,
        });
    }

    /** Every change that an update can make, except to addresses. */
    changeSettings(): void {
        const round = ++this.#round;
        this.stack.configure({
            memoryMb: round % 2 === 0 ? 256 : 512,
            volumeSizeGb: this.stack.settings.volumeSizeGb + 1,
            secret: `the-secret-of-round-${round}`,
            port: 1883 + round,
        });
        this.stack.changeImage(this.#images[round % 2]!);
    }

    trial(name: PhaseName): Trial {
        const phase = this.#phases[name]();
        let last: ProgramRun | undefined;
        return {
            ...phase,
            runInto: async ({ call, what }) => {
                const [kind, nth] = call.split(" #") as [string, string];
                const fault = FAULTS.find((one) => one.name === what)!;
                const { met, ...run } = await meet(this.stack, kind, Number(nth), fault, () =>
                    this.#run(name),
                );
                last = run;
                return met ? { ...run, calls: [] } : undefined;
            },
            left: () => {
                keepsSecrets(this.stack, last);
                if (last && last.code !== 0) saysClearly(last);
            },
        };
    }

    #run(name: PhaseName): Promise<ProgramRun> {
        if (name === "destroy") return this.stack.destroy();
        const replaced = this.#replaced.splice(0);
        return this.stack.up(...replaced.flatMap((urn) => ["--replace", urn]));
    }

    #phase(name: PhaseName, prepare: Phase["prepare"], check: Phase["check"]): Phase {
        const run = async () => {
            await this.#api.ok("DELETE", "/_local/journal");
            return { ...(await this.#run(name)), calls: await this.#calls() };
        };
        return { name, prepare, run, check };
    }

    readonly #phases: Record<PhaseName, () => Phase> = {
        "first up": () =>
            this.#phase(
                "first up",
                async (broken) => {
                    if (broken) return this.anew();
                    await this.stack.must(this.stack.destroy());
                    await isGone(this.stack);
                },
                () => isDeployed(this.stack),
            ),
        update: () =>
            this.#phase(
                "update",
                async (broken) => {
                    if (broken || this.stack.settings.volumeSizeGb >= MAX_VOLUME_GB) {
                        await this.anew();
                        await this.stack.must(this.stack.up());
                    }
                    this.changeSettings();
                },
                () => isDeployed(this.stack),
            ),
        replace: () => {
            let ids: string[] = [];
            return this.#phase(
                "replace",
                async (broken) => {
                    if (broken) {
                        await this.anew();
                        await this.stack.must(this.stack.up());
                    }
                    ids = await this.#ids();
                    this.#replaced = Object.keys(RESOURCES).map((one) =>
                        this.stack.urn(one as keyof typeof RESOURCES),
                    );
                },
                async () => {
                    await isDeployed(this.stack);
                    assert.deepEqual(await this.#ids(), ids);
                },
            );
        },
        destroy: () =>
            this.#phase(
                "destroy",
                async (broken) => {
                    if (broken) await this.anew();
                    await this.stack.must(this.stack.up());
                },
                async () => {
                    await isGone(this.stack);
                    await holdsOnly(this.fly, [IMAGES]);
                },
            ),
    };

    /** IDs of the app's resources at Fly. */
    async #ids(): Promise<string[]> {
        const found = await contents(this.#api, this.stack.app);
        assert.ok(found);
        const { machines, volumes, addresses } = found;
        return [...machines, ...volumes].map(({ id }) => id).concat(addresses.map(({ ip }) => ip));
    }

    /** The run's requests, in the order in which they were answered. */
    async #calls(): Promise<CallName[]> {
        const entries = await this.#api.journal();
        const counts = new Map<string, number>();
        return entries
            .filter(({ path }) => path.startsWith("/v1/"))
            .map(({ method, path }) => {
                const kind = `${method} ${template(path)}`;
                counts.set(kind, (counts.get(kind) ?? 0) + 1);
                return `${kind} #${counts.get(kind)}`;
            });
    }
}

function template(path: string): string {
    return path
        .replace(/\?.*/, "")
        .replace(/(?<=\/apps\/)[^/]+/, ":app")
        .replace(/(?<=\/machines\/)[^/]+/, ":machine")
        .replace(/(?<=\/volumes\/)[^/]+/, ":volume")
        .replace(/(?<=\/ip_assignments\/)[^/]+/, ":ip");
}

function suite(title: string, name: PhaseName, places: number, wanted: (fault: Fault) => boolean) {
    const faults = FAULTS.filter(wanted);
    const casesOf = (call: CallName): Case[] =>
        faults
            .filter(({ hits }) => hits(call))
            .map(({ name: what, slow = false }) => ({ call, what, slow }));

    describe(title, function () {
        this.timeout(0);
        const made: Place[] = [];

        before(async () => {
            for (let at = 0; at < places; at++) made.push(await Place.make());
        });
        after(() => Promise.all(made.map((place) => place.close())));

        it(`leaves what the next run completes, wherever in the ${name} it happens`, () =>
            runMatrix(
                made.map((place) => place.trial(name)),
                casesOf,
            ));
    });
}

/** Faults that make the request fail, or seem to. */
export function faultSuite(name: PhaseName): void {
    suite("a request that fails", name, 2, ({ slow }) => slow !== true);
}

/** Faults that are permanent or last long; the tests spend their time waiting. */
export function silenceSuite(name: PhaseName): void {
    suite("a Fly that is silent", name, 6, ({ slow }) => slow === true);
}
