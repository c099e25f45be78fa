/* Dark or light: as the system has it, until somebody chooses. */

type Theme = "light" | "dark";
const system = window.matchMedia("(prefers-color-scheme: dark)");
let chosen: Theme | null = null;

function stored(): Theme | null {
  try {
    const value = localStorage.getItem("facet-theme");
    return value === "light" || value === "dark" ? value : null;
  } catch {
    return null; // file:// may have no storage
  }
}

export const theme = (): Theme => chosen ?? (system.matches ? "dark" : "light");

function apply(): void {
  document.documentElement.dataset.theme = theme();
  document.dispatchEvent(new CustomEvent("facet-theme"));
}

export function startTheme(): void {
  chosen = stored();
  system.addEventListener("change", apply);
  apply();
}

export function switchTheme(): void {
  chosen = theme() === "dark" ? "light" : "dark";
  try {
    localStorage.setItem("facet-theme", chosen);
  } catch { /* for this page alone */ }
  apply();
}
