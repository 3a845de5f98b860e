"""The bundled network, labels and tables, the modules that are imported when they are needed, and the version."""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules, copy_metadata

datas = collect_data_files("pixelgrad") + copy_metadata("pixelgrad")
# The commands are packed where an application imports them; they would bring a terminal's libraries along.
hiddenimports = collect_submodules("pixelgrad", filter=lambda name: not name.startswith("pixelgrad.cli"))
