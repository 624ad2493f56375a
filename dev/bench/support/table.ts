/**
 * Prints rows as a table with aligned columns.
 * @param rows the first is the heading
 */
export function printTable(rows: readonly (readonly string[])[]): void {
    const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
    for (const row of rows) {
        console.log(
            row
                .map((cell, at) => cell.padEnd(widths[at]!))
                .join("  ")
                .trimEnd(),
        );
    }
}
