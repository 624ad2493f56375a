/** What can happen to a small stack, one step after another. */
import fc from "fast-check";
import { Api } from "../../local/support/api.ts";
import { FAULTS } from "../../matrix/support/faults.ts";
import { contents } from "./invariants.ts";
import { meet, type MetRun } from "./meet.ts";
import { RESOURCES, type SmallRun, type SmallSettings, type SmallStack } from "./smallStack.ts";
import { until } from "../../support/until.ts";

/** From the `nth` request of this kind in a run on, they meet the fault of this name. */
interface Met {
    readonly call: string;
    readonly nth: number;
    /** How many such requests in a row; often enough, the client gives up. */
    readonly times: number;
    readonly fault: string;
}

type Run = "up" | "up --refresh" | "up --replace" | "refresh" | "destroy";

type Resource = keyof typeof RESOURCES;

export type Step =
    /** The volume, by one GB; where it was done by hand, the settings follow. */
    | { readonly do: "grow"; readonly byHand: boolean }
    | {
          readonly do: Run;
          readonly change?: Partial<SmallSettings>;
          readonly met?: Met;
          /** What `up --replace` is told to replace. */
          readonly target?: Resource;
      }
    /** Marks a resource, so that the next `up` replaces it. */
    | { readonly do: "taint"; readonly target: Resource }
    /** Gives the stack another name. */
    | { readonly do: "rename" }
    /** Someone's own doing, past the program. */
    | { readonly do: "drift"; readonly what: Drift };

type Drift = keyof typeof DRIFTS;

/** Whatever a run asks for, and what few of its requests are. */
const CALLS: Record<"up" | "refresh" | "destroy", string[]> = {
    up: [
        "GET /v1/**",
        "POST /v1/**",
        "POST /v1/apps",
        "POST /v1/apps/:app/ip_assignments",
        "POST /v1/apps/:app/volumes",
        "PUT /v1/apps/:app/volumes/:volume/extend",
        "POST /v1/apps/:app/secrets",
        "POST /v1/apps/:app/machines",
        "GET /v1/apps/:app/machines/:machine",
        "POST /v1/apps/:app/machines/:machine",
        "GET /v1/apps/:app/machines/:machine/wait",
        "POST /v1/apps/:app/machines/:machine/lease",
        "DELETE /v1/apps/:app/machines/:machine/lease",
    ],
    refresh: ["GET /v1/**"],
    destroy: [
        "GET /v1/**",
        "DELETE /v1/**",
        "POST /v1/apps/:app/machines/:machine/stop",
        "POST /v1/apps/:app/secrets",
        "DELETE /v1/apps/:app",
        "DELETE /v1/apps/:app/machines/:machine",
        "DELETE /v1/apps/:app/volumes/:volume",
    ],
};

type Found = NonNullable<Awaited<ReturnType<typeof contents>>>;
type Doing = (api: Api, stack: SmallStack, found: Found) => Promise<unknown>;

const someone = (found: Found) => `machines/${found.machines[0]?.id ?? "none"}`;

/** Each does nothing where there is nothing to do it to. */
const DRIFTS = {
    "the machine is destroyed": (api: Api, { app }: SmallStack, found: Found) =>
        api.call("DELETE", `/apps/${app}/${someone(found)}?force=true`),
    "machine and volume are destroyed": async (api: Api, { app }: SmallStack, found: Found) => {
        // Someone may have a lease on the machine, and it holds the volume for a moment.
        const paths = [
            `${someone(found)}?force=true`,
            ...found.volumes.map(({ id }) => `volumes/${id}`),
        ];
        for (const path of paths) {
            await until(`${path} is destroyed`, async () => {
                const { status } = await api.call("DELETE", `/apps/${app}/${path}`);
                return status === 200 || status === 404;
            });
        }
    },
    "an address is released": (api: Api, { app }: SmallStack, found: Found) =>
        api.call("DELETE", `/apps/${app}/ip_assignments/${found.addresses[0]?.ip ?? "none"}`),
    "the secret is removed": (api: Api, { app }: SmallStack) =>
        api.call("POST", `/apps/${app}/secrets`, { values: { SECRET: null } }),
    "the secret is another": (api: Api, { app }: SmallStack) =>
        api.call("POST", `/apps/${app}/secrets`, { values: { SECRET: "another" } }),
    "the machine is stopped": (api: Api, { app }: SmallStack, found: Found) =>
        api.call("POST", `/apps/${app}/${someone(found)}/stop`, {}),
    "the machine is another": (api: Api, { app }: SmallStack, found: Found) => {
        const guest = { cpu_kind: "shared", cpus: 1, memory_mb: 1024 };
        const config = { ...found.machines[0]?.config, guest, env: { ADDED: "by hand" } };
        return api.call("POST", `/apps/${app}/${someone(found)}`, { config });
    },
    "the machine is restarted": (api: Api, { app }: SmallStack, found: Found) =>
        api.call("POST", `/apps/${app}/${someone(found)}/restart`),
    // As flyctl does it: metadata, the owner's too, go along, and the volume is a new one.
    "the machine is cloned": async (api: Api, { app }: SmallStack, found: Found) => {
        const [original] = found.machines;
        if (!original) return;
        const request = { name: "data", region: "lhr", size_gb: 1 };
        const { id: volume } = await api.ok<{ id: string }>(
            "POST",
            `/apps/${app}/volumes`,
            request,
        );
        const config = { ...original.config, mounts: [{ volume, path: "/data" }] };
        await api.call("POST", `/apps/${app}/machines`, { region: "lhr", config });
    },
    "the machine is cordoned": (api: Api, { app }: SmallStack, found: Found) =>
        api.call("POST", `/apps/${app}/${someone(found)}/cordon`),
    "its owner is changed": (api: Api, { app }: SmallStack, found: Found) =>
        api.call("POST", `/apps/${app}/${someone(found)}/metadata/pulumi_stack`, {
            value: "other",
        }),
    "the machine is leased": (api: Api, { app }: SmallStack, found: Found) =>
        api.call("POST", `/apps/${app}/${someone(found)}/lease`, { ttl: 3 }),
    "the app is deleted": async (api: Api, { app }: SmallStack) => {
        await api.call("DELETE", `/apps/${app}?force=true`);
        await until(
            `app ${app} is gone`,
            async () => (await api.call("GET", `/apps/${app}`)).status === 404,
        );
    },
} satisfies Record<string, Doing>;

const change: fc.Arbitrary<Partial<SmallSettings>> = fc.oneof(
    fc.record({ memoryMb: fc.constantFrom(256, 512) }),
    fc.record({ secret: fc.constantFrom("second-secret", "third-secret") }),
    fc.record({ ipv4: fc.boolean() }),
    fc.record({ port: fc.constantFrom(1883, 8883) }),
);

function met(calls: readonly string[]): fc.Arbitrary<Met> {
    return fc.constantFrom(...calls).chain((call) => {
        const faults = FAULTS.filter(({ slow, hits }) => slow !== true && hits(call));
        return fc.record({
            call: fc.constant(call),
            nth: fc.integer({ min: 1, max: call.endsWith("**") ? 6 : 2 }),
            times: fc.constantFrom(1, 5),
            fault: fc.constantFrom(...faults.map(({ name }) => name)),
        });
    });
}

const resource = fc.constantFrom(...(Object.keys(RESOURCES) as Resource[]));

/** Mostly with something to do, and with something in its way. */
function runs(kind: Run): fc.Arbitrary<Step> {
    const calls = CALLS[kind === "refresh" || kind === "destroy" ? kind : "up"];
    const parts = {
        do: fc.constant(kind),
        change,
        met: met(calls),
        ...(kind === "up --replace" && { target: resource }),
    };
    const requiredKeys: "do"[] = ["do", ...(kind === "up --replace" ? ["target" as "do"] : [])];
    return fc.oneof(
        { weight: 1, arbitrary: fc.record(parts, { requiredKeys }) },
        { weight: 2, arbitrary: fc.record(parts) },
    );
}

const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 3, arbitrary: runs("up") },
    { weight: 1, arbitrary: runs("up --refresh") },
    { weight: 1, arbitrary: runs("up --replace") },
    {
        weight: 1,
        arbitrary: fc.record({ do: fc.constant("taint" as const), target: resource }),
    },
    { weight: 1, arbitrary: fc.constant({ do: "rename" as const }) },
    { weight: 1, arbitrary: runs("refresh") },
    { weight: 1, arbitrary: runs("destroy") },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("grow" as const), byHand: fc.boolean() }) },
    {
        weight: 3,
        arbitrary: fc.record({
            do: fc.constant("drift" as const),
            what: fc.constantFrom(...(Object.keys(DRIFTS) as Drift[])),
        }),
    },
);

/** There is mostly something from the first step on. */
export const SEQUENCES: fc.Arbitrary<Step[]> = fc
    .tuple(runs("up"), fc.array(step, { minLength: 2, maxLength: 5 }))
    .map(([first, rest]) => [first, ...rest]);

/** @returns how the run ended, if the step is one */
export async function take(stack: SmallStack, step: Step): Promise<MetRun | undefined> {
    switch (step.do) {
        case "grow":
            stack.configure({ volumeSizeGb: stack.settings.volumeSizeGb + 1 });
            if (step.byHand) await byHand(stack, growVolume);
            return undefined;
        case "drift":
            await byHand(stack, DRIFTS[step.what]);
            return undefined;
        case "taint":
            // Fails where there is no such resource.
            await stack.run("state", "taint", stack.urn(step.target), "--yes");
            return undefined;
        case "rename":
            await stack.rename();
            return undefined;
        case "up":
        case "up --refresh":
        case "up --replace":
        case "refresh":
        case "destroy":
            stack.configure(step.change ?? {});
            return await meeting(stack, step.met, () => runOf(stack, step.do, step.target));
    }
}

/** Does nothing where there is no app. */
async function byHand(stack: SmallStack, work: Doing): Promise<void> {
    const api = new Api(stack.fly);
    const found = await contents(api, stack.app);
    if (found) await work(api, stack, found);
}

async function growVolume(api: Api, { app, settings }: SmallStack, found: Found): Promise<void> {
    for (const { id } of found.volumes) {
        const size_gb = settings.volumeSizeGb;
        await api.call("PUT", `/apps/${app}/volumes/${id}/extend`, { size_gb });
    }
}

/** What people take away who have cloned the machine, once they know of it. */
export async function removeClones(stack: SmallStack): Promise<void> {
    await byHand(stack, async (api, { app }, { machines, volumes }) => {
        const clones = machines.filter(({ name }) => name !== "small");
        for (const { id } of clones)
            await api.call("DELETE", `/apps/${app}/machines/${id}?force=true`);
        const state = stack.stateText();
        for (const { id } of volumes.filter((volume) => !state.includes(volume.id))) {
            await until(`volume ${id} is destroyed`, async () => {
                const { status } = await api.call("DELETE", `/apps/${app}/volumes/${id}`);
                return status === 200 || status === 404;
            });
        }
    });
}

function runOf(stack: SmallStack, kind: Run, target?: Resource): Promise<SmallRun> {
    if (kind === "up --replace") return stack.up("--replace", stack.urn(target!));
    if (kind === "refresh") return stack.refresh();
    if (kind === "destroy") return stack.destroy();
    return stack.up(...(kind === "up" ? [] : ["--refresh"]));
}

async function meeting(
    stack: SmallStack,
    met: Met | undefined,
    work: () => Promise<SmallRun>,
): Promise<MetRun> {
    if (!met) return { ...(await work()), met: false };
    const fault = FAULTS.find(({ name }) => name === met.fault)!;
    return await meet(stack, met.call, met.nth, { ...fault, times: met.times }, work);
}
