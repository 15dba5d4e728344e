"""Teachers that see both sensors: candidates, the choice among them, and what the chosen one says."""

from __future__ import annotations

from geo_xmodal.methods.teaching.choice import Teacher, TeacherName, TeacherOptions, teacher_of

__all__ = ["Teacher", "TeacherName", "TeacherOptions", "teacher_of"]
