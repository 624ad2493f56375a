/** Manual changes to a small stack's app, and how each is undone. */
import { Api } from "../../../dev/harness/api.ts";
import { until } from "../../../dev/harness/until.ts";
import { contents } from "./invariants.ts";
import type { SmallStack } from "./smallStack.ts";

type Found = NonNullable<Awaited<ReturnType<typeof contents>>>;
type Doing = (api: Api, stack: SmallStack, found: Found) => Promise<unknown>;

const someone = (found: Found) => `machines/${found.machines[0]?.id ?? "none"}`;

/** Each does nothing if its target does not exist. */
export const DRIFTS = {
    "the machine is destroyed": (api: Api, { app }: SmallStack, found: Found) =>
        api.call("DELETE", `/apps/${app}/${someone(found)}?force=true`),
    "machine and volume are destroyed": async (api: Api, { app }: SmallStack, found: Found) => {
        // Someone may hold a lease on the machine, and the volume stays attached for a moment.
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
    // As flyctl does it: the metadata, including the owner's, are copied, and the volume is new.
    "the machine is cloned": async (api: Api, { app, clones }: SmallStack, found: Found) => {
        const [original] = found.machines;
        if (!original) return;
        const { id: volume } = await api.ok<{ id: string }>("POST", `/apps/${app}/volumes`, {
            ...{ name: "data", region: "lhr", size_gb: 1 },
        });
        const config = { ...original.config, mounts: [{ volume, path: "/data" }] };
        const request = { region: "lhr", config };
        const made = await api.call<{ id: string }>("POST", `/apps/${app}/machines`, request);
        if (made.status === 200) clones.push(`machines/${made.body.id}?force=true`);
        clones.push(`volumes/${volume}`);
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

export type Drift = keyof typeof DRIFTS;

/** Does nothing without an app. */
export async function byHand(stack: SmallStack, work: Doing): Promise<void> {
    const api = new Api(stack.fly);
    const found = await contents(api, stack.app);
    if (found) await work(api, stack, found);
}

export async function growVolume(
    api: Api,
    { app, settings }: SmallStack,
    found: Found,
): Promise<void> {
    for (const { id } of found.volumes) {
        const size_gb = settings.volumeSizeGb;
        await api.call("PUT", `/apps/${app}/volumes/${id}/extend`, { size_gb });
    }
}

/** Undoes by hand what an `up` refuses to judge: clones and another owner. Waits for leftover leases. */
export async function putRight(stack: SmallStack): Promise<void> {
    await byHand(stack, async (api, { app, clones }, found) => {
        const state = stack.stateText();
        for (const path of clones) {
            // It may have taken the place of the lost one.
            if (state.includes(path.replace(/.*\/|\?.*/g, ""))) continue;
            await until(`${path} is destroyed`, async () => {
                const { status } = await api.call("DELETE", `/apps/${app}/${path}`);
                return status === 200 || status === 404;
            });
        }
        const own = found.machines.find(({ name }) => name === "small");
        if (!own) return;
        const path = `/apps/${app}/machines/${own.id}`;
        // A lease that Fly would not release expires after half a minute.
        await until(
            "the machine's lease has ended",
            async () => (await api.call("GET", `${path}/lease`)).status === 404,
            { withinMs: 40_000 },
        );
        await api.call("POST", `${path}/metadata/pulumi_stack`, { value: "dev" });
    });
}
