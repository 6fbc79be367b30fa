"""What an author asks before a pack is in force: is it sound, is it tested, what does it change?"""
