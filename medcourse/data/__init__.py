"""Images and tables to learn on: real samples that ship with the dependencies, DICOM, splits by patient.

Import the module you need (``from medcourse.data import samples``); the package itself loads none of them.
"""
