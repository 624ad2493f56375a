/** Decides whether an existing app belongs to this stack. Apps have no labels, but their machines do. */
import type { AppInputs } from "./inputs.ts";
import type { FlyClient } from "../api/client.ts";
import { importCommand, listMachines, othersMachines } from "../ownership.ts";
import type { WireApp, WireIp, WireMachine, WireSecret, WireVolume } from "../api/types.ts";
import { isOutgoing } from "../volume/find.ts";
import { sleep } from "../api/wait.ts";

/** Alias for the user's own organisation, whatever its slug. */
export const PERSONAL = "personal";

/**
 * Adopts an app that is empty or whose machines are all ours: a run that was killed, or whose request got no
 * answer, leaves just that. Anything else in it came from someone else.
 * @param askedFor whether this run has requested the app without getting an answer
 * @throws Error with the app's contents and the ways out
 */
export async function adoptApp(
    client: FlyClient,
    inputs: AppInputs,
    found: WireApp,
    askedFor: boolean,
): Promise<WireApp> {
    refuseOtherOrganization(inputs, found);
    const seen = await contentsOf(client, inputs);
    if (seen.ours) {
        return found;
    }
    // When two runs create the same app at once, one finds the other's app, still empty.
    const holds =
        seen.others.length > 0 || askedFor ? seen.others : await laterContents(client, inputs);
    if (holds.length > 0) {
        throw new Error(
            `App "${inputs.name}" exists and is not this stack's: it holds ${holds.join(", ")}.\n` +
                `  Choose another app name; or import the app: \`${importCommand(inputs.owner, "app", inputs.name)}\`; ` +
                "or, if nobody needs it, delete it with all it holds: " +
                `\`fly apps destroy ${inputs.name}\` (DELETE /v1/apps/${inputs.name}?force=true).`,
        );
    }
    return found;
}

/** @throws Error where the app is in another organisation of the user's */
export function refuseOtherOrganization(inputs: AppInputs, found: WireApp): void {
    const slug = found.organization?.slug ?? inputs.organization;
    if (slug !== inputs.organization && inputs.organization !== PERSONAL) {
        throw new Error(
            `App "${inputs.name}" exists in your organisation "${slug}", not in "${inputs.organization}".\n` +
                "  Choose another app name, or the other organisation.",
        );
    }
}

/** Time after which a concurrent run has put something into its app. */
const SETTLED_AFTER_MS = 10_000;
const LOOK_EVERY_MS = 2_000;

/** Lists what someone puts into an empty app within `SETTLED_AFTER_MS`. */
async function laterContents(client: FlyClient, inputs: AppInputs): Promise<string[]> {
    const label = `app ${inputs.name}`;
    console.log(
        `${label}: exists and is empty; waiting ${SETTLED_AFTER_MS / 1000} s for another run`,
    );
    const until = performance.now() + SETTLED_AFTER_MS;
    while (performance.now() < until) {
        await sleep(LOOK_EVERY_MS);
        const { ours, others } = await contentsOf(client, inputs);
        if (ours || others.length > 0) {
            return ours ? ["a machine that another run of this stack has just made"] : others;
        }
    }
    return [];
}

/**
 * Tells whether the app has machines of ours only, in which case the rest may be ours too, and lists what no
 * run of this stack can have left.
 */
async function contentsOf(
    client: FlyClient,
    { name, owner }: AppInputs,
): Promise<{ ours: boolean; others: string[] }> {
    const path = ["apps", name];
    const all = await client.get<WireMachine[]>([...path, "machines"]);
    const machines = all.filter(({ state }) => state !== "destroyed");
    const theirs = othersMachines(machines, owner);
    if (machines.length > 0) {
        return theirs.length > 0
            ? { ours: false, others: [listMachines(theirs)] }
            : { ours: true, others: [] };
    }
    const [volumes, { secrets }, { ips }] = await Promise.all([
        client.get<WireVolume[]>([...path, "volumes"]),
        client.get<{ secrets?: WireSecret[] | null }>([...path, "secrets"]),
        client.get<{ ips?: WireIp[] | null }>([...path, "ip_assignments"]),
    ]);
    const others = [
        ...volumes
            .filter((volume) => !isOutgoing(volume))
            .map((volume) => `volume ${volume.id} "${volume.name}"`),
        ...(secrets ?? []).map((secret) => `secret ${secret.name}`),
        ...(ips ?? []).map(({ ip }) => `address ${ip}`),
    ];
    return { ours: false, others };
}
