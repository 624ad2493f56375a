/** Whether an app that is there already is this stack's: apps carry no labels, their machines do. */
import type { AppInputs } from "./app.ts";
import type { FlyClient } from "./client.ts";
import { listMachines, othersMachines } from "./ownership.ts";
import type { WireApp, WireIp, WireMachine, WireSecret, WireVolume } from "./types.ts";
import { isOutgoing } from "./volume-find.ts";

const PERSONAL = "personal";

/**
 * Takes an app whose machines are all ours, or an empty one: a run that was killed, or whose request
 * got no answer, leaves just that. What else is in it came from someone else.
 * @throws saying what it holds, and the ways out
 */
export async function adoptApp(
    client: FlyClient,
    inputs: AppInputs,
    found: WireApp,
): Promise<WireApp> {
    const slug = found.organization?.slug ?? inputs.organization;
    if (slug !== inputs.organization && inputs.organization !== PERSONAL) {
        throw new Error(
            `App "${inputs.name}" exists in your organisation "${slug}", not in "${inputs.organization}".\n` +
                "  Choose another app name, or the other organisation.",
        );
    }
    const holds = await othersIn(client, inputs);
    if (holds.length > 0) {
        throw new Error(
            `App "${inputs.name}" exists and is not this stack's: it holds ${holds.join(", ")}.\n` +
                "  Choose another app name; or, if nobody needs the app, delete it with all it holds: " +
                `\`fly apps destroy ${inputs.name}\` (DELETE /v1/apps/${inputs.name}?force=true).`,
        );
    }
    return found;
}

/** What no run of this stack can have left; beside a machine of ours the rest may be ours too. */
async function othersIn(client: FlyClient, { name, owner }: AppInputs): Promise<string[]> {
    const path = ["apps", name];
    const all = await client.get<WireMachine[]>([...path, "machines"]);
    const machines = all.filter(({ state }) => state !== "destroyed");
    const others = othersMachines(machines, owner);
    if (machines.length > 0) {
        return others.length > 0 ? [listMachines(others)] : [];
    }
    const [volumes, { secrets }, { ips }] = await Promise.all([
        client.get<WireVolume[]>([...path, "volumes"]),
        client.get<{ secrets?: WireSecret[] | null }>([...path, "secrets"]),
        client.get<{ ips?: WireIp[] | null }>([...path, "ip_assignments"]),
    ]);
    return [
        ...volumes
            .filter((volume) => !isOutgoing(volume))
            .map((volume) => `volume ${volume.id} "${volume.name}"`),
        ...(secrets ?? []).map((secret) => `secret ${secret.name}`),
        ...(ips ?? []).map(({ ip }) => `address ${ip}`),
    ];
}
