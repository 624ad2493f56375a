/** Who a machine belongs to, as its metadata says; apps and volumes have none. */
import type { MachineConfig, WireMachine } from "./api/types.ts";

/** The Pulumi project and stack that own what they make. */
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

/** For an error: "project p, stack dev" or what else the metadata tell. */
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

/** Those that carry another owner or none; without a host's answer a machine shows none. */
export function othersMachines(
    machines: readonly WireMachine[],
    owner: Owner | undefined,
): WireMachine[] {
    return machines.filter(
        ({ state, config }) => state !== "destroyed" && !(owner && isOwnedBy(owner, config)),
    );
}

/** For an error. */
export function listMachines(machines: readonly WireMachine[]): string {
    return machines
        .map(({ id, name, config }) => `machine ${id} "${name ?? ""}" of ${describeOwner(config)}`)
        .join(", ");
}

/** For an error: a replacement is made with the same inputs, and would import its predecessor. */
export const IMPORTED_BEFORE = "  If an earlier run has imported it, take the import out.";

/** Told before anything is deleted to make place for what would then not be there to import. */
export function importProblem(
    olds: { readonly importId?: string },
    news: { readonly importId?: string },
    replaced: boolean,
): string | undefined {
    return replaced && news.importId !== undefined && olds.importId === news.importId
        ? `${news.importId} has been imported by an earlier run and would now be replaced: take the import out`
        : undefined;
}

/** What takes over one that is there already, for an error; the next `up` then does it. */
export function importCommand(
    owner: Owner | undefined,
    kind: "app" | "volume" | "machine",
    id: string,
): string {
    const { project, stack } = owner ?? { project: "PROJECT", stack: "STACK" };
    return `pulumi config set --stack ${stack} --path '${project}:import.${kind}' ${id}`;
}
