/** Marks and reads a machine's owner in its metadata. Apps and volumes have no metadata. */
import type { MachineConfig, WireMachine } from "./api/types.ts";

/** Pulumi project and stack that own a machine. */
export interface Owner {
    readonly project: string;
    readonly stack: string;
}

const MANAGED_BY = "appkata-mqtt";

export function ownerMetadata(owner: Owner): Record<string, string> {
    return {
        managed_by: MANAGED_BY,
        pulumi_project: owner.project,
        pulumi_stack: owner.stack,
    };
}

export function isOwnedBy(
    owner: Owner,
    config: Pick<MachineConfig, "metadata"> | null | undefined,
) {
    const metadata = config?.metadata ?? {};
    return Object.entries(ownerMetadata(owner)).every(([key, value]) => metadata[key] === value);
}

/** Describes the owner in an error: "Pulumi project p, stack dev", or what else the metadata tells. */
export function describeOwner(config: Pick<MachineConfig, "metadata"> | null | undefined): string {
    const metadata = config?.metadata ?? {};
    if (metadata.managed_by === MANAGED_BY) {
        return `Pulumi project ${metadata.pulumi_project ?? "?"}, stack ${metadata.pulumi_stack ?? "?"}`;
    }
    if (metadata.managed_by) {
        return metadata.managed_by;
    }
    if (metadata.fly_flyctl_version ?? metadata.fly_release_id) {
        return "someone who deployed it with flyctl";
    }
    return "someone else (it carries no owner)";
}

/** Filters machines of another owner or of none. A machine on an unreachable host shows no owner. */
export function othersMachines(
    machines: readonly WireMachine[],
    owner: Owner | undefined,
): WireMachine[] {
    return machines.filter(
        ({ state, config }) => state !== "destroyed" && !(owner && isOwnedBy(owner, config)),
    );
}

/** Lists machines and their owners in an error. */
export function listMachines(machines: readonly WireMachine[]): string {
    return machines
        .map(({ id, name, config }) => `machine ${id} "${name ?? ""}" of ${describeOwner(config)}`)
        .join(", ");
}

/** Advice for an error: a replacement has the same inputs, and would import its predecessor. */
export const IMPORTED_BEFORE = "  If an earlier run has imported it, remove the import setting.";

/** Refuses a replacement whose import is the very object that the replacement would delete. */
export function importProblem(
    olds: { readonly importId?: string },
    news: { readonly importId?: string },
    replaced: boolean,
): string | undefined {
    return replaced && news.importId !== undefined && olds.importId === news.importId
        ? `${news.importId} has been imported by an earlier run and would now be replaced: remove the import setting`
        : undefined;
}

/** The command after which the next `up` imports an existing object, for an error. */
export function importCommand(
    owner: Owner | undefined,
    kind: "app" | "volume" | "machine",
    id: string,
): string {
    const { project, stack } = owner ?? { project: "PROJECT", stack: "STACK" };
    return `pulumi config set --stack ${stack} --path '${project}:import.${kind}' ${id}`;
}
